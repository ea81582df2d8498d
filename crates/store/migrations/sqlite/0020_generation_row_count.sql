-- How many rows a generation has, written in the transaction that writes the rows: counting them takes seconds where there
-- are millions. Null for a generation that is older than this column, until somebody asks and it is counted once.
ALTER TABLE projection_generations ADD COLUMN row_count INTEGER;
