"""How the shipped weights of tiny-bert are made: `python -m pretraining --data DIR` does it all (see README.md)."""
