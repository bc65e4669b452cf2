"""Lists for ad platforms, opt-outs, and the files of each platform.

`rules` says what is exported, `membership` who that is, `delta` what changes against what was last sent, `holding`
whether it may be written, `destinations` and `rendering` what it looks like. `exports` writes it, `history` and
`manifest` are its exports so far, `lists` every list that was ever written.

The other side is who has opted out: `inbox` and `drops` read files, `submission` suppresses and tells the platform,
`ledger` keeps it.

Nothing here logs, and no message or repr holds an e-mail address or a hash of one.
"""
