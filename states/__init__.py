"""What may happen to a submission. Pure: the standard library and `transitions`; no database, no clock.

The glossary of the house (the words of NEWSROOM, one meaning each):

submission   稿件   one piece sent in by a correspondent, with all its revisions, assets and decisions
revision     版本   the content at one moment, immutable, named by the SHA-256 of its canonical form
asset        素材   a file that somebody sent in: video, audio, still, document
rendition    成品   what an asset becomes for one platform profile (an HLS ladder, a vertical MP4)
review       审核   one of three decisions on a revision: 初审 first, 复审 second, 终审 final
sign-off     签发   the approval in the final review: what goes out is what was signed
destination  渠道   a configured account on a platform
delivery     分发   one revision handed to one destination, at most once
actor        操作人  who asks for a move: a person with roles, or the machine itself
refusal      拒绝   why a move is not made, in words, and what to do next
"""
