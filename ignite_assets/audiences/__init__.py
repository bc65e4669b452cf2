"""Lists for ad platforms, opt-outs, and the files of each platform.

`rules` says what is exported, `membership` who that is, `delta` what changes against what was last sent, `holding`
whether it may go, `destinations` and `rendering` what it looks like, `exports` and `folders` how it is written.
`drop_files`, `opt_outs` and `ledger` are the other side: who has opted out.

Nothing here logs, and no message or repr holds an e-mail address or a hash of one.
"""
