"""The command line `revledger`: one module per group of commands, `main` puts them together."""
