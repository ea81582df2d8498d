-- Checkpoints are numbered 1, 2, 3, … in the order in which they were kept, so that one that was removed leaves a gap.
ALTER TABLE checkpoints ADD COLUMN number INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER checkpoints_not_updated;
UPDATE checkpoints SET number = counted.number
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM checkpoints) AS counted
WHERE counted.id = checkpoints.id;
CREATE TRIGGER checkpoints_not_updated BEFORE UPDATE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints is immutable: UPDATE refused');
END;

CREATE UNIQUE INDEX checkpoints_number ON checkpoints (number);
