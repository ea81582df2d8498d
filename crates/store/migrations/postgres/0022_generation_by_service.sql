-- Whether the service itself fills the generation, because it was asked to over HTTP or since its code is newer than the rows:
-- then it goes on with it after a restart. One that a command fills is that command's to go on with.
ALTER TABLE projection_generations ADD COLUMN by_service boolean NOT NULL DEFAULT false;
