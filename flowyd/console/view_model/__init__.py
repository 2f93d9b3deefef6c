"""What the console shows, as pure functions: answers in, rows out.

Nothing here opens, reads or waits; `now` (epoch seconds) is an argument. The command line may use these
modules too; the screens only place what they make.
"""
