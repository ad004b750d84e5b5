"""Who asks: REST, feeds, public pages. Thin handlers over `storage` and `states`; no rule of its own."""
