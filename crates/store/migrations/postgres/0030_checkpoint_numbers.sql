-- Checkpoints are numbered 1, 2, 3, … in the order in which they were kept, so that one that was removed leaves a gap. Their
-- ids cannot tell: a sequence skips some after a crash or a rollback.
ALTER TABLE checkpoints ADD COLUMN number bigint;

ALTER TABLE checkpoints DISABLE TRIGGER checkpoints_immutable;
UPDATE checkpoints SET number = counted.number
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM checkpoints) AS counted
WHERE counted.id = checkpoints.id;
ALTER TABLE checkpoints ENABLE TRIGGER checkpoints_immutable;

ALTER TABLE checkpoints
    ALTER COLUMN number SET NOT NULL,
    ADD CONSTRAINT checkpoints_number_key UNIQUE (number);
