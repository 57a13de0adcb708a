@rem The npm scripts say "exec node ...", so that a signal to npm reaches Node where sh runs them. cmd.exe has no exec: this is it.
@%*
