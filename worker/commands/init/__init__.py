"""The command `init`: the first configuration, asked for or given as options, checked, and written whole or not at all.

- `flows` has the ways to sign in, and what each needs.
- `questions` has what is asked, and reads answers.
- `draft` makes the configuration of the answers, and checks it as `check` does.
- `interview` asks until each answer passes.
- `missing_file` has the commands that make a file for a secret.
- `old_mail_look` counts the mail that lies in the folders, where a login is possible.
- `placing` puts the file in its place.
- `configure` goes through all of it.
"""
