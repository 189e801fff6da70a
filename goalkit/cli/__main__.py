"""`python -m goalkit.cli`, for `torchrun -m`."""

from goalkit.cli import main

main()
