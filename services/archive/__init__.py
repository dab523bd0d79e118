"""The archive: the ledger as columns, in Parquet files and in DuckDB."""
