"""`python -m goalkit`: the command line where no script was installed."""

from goalkit.cli import main

main()
