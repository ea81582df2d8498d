-- Rows as of an earlier position: `filling` while they are folded up to it, then `snapshot`, which never changes.
ALTER TABLE projection_generations
    DROP CONSTRAINT projection_generations_state_check,
    ADD CONSTRAINT projection_generations_state_check
        CHECK (state IN ('building', 'live', 'retired', 'filling', 'snapshot'));
