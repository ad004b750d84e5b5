"""What a file is and becomes. Path in, frozen result out; the only room that decodes anything."""
