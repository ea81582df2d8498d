-- What an order's stream had come to at one of its versions, so that whoever has to know it need not read the stream from its beginning.
-- Written now and then, after the events; each tells by its tag whether it is as it was left. Nothing rests on a row's being here.
CREATE TABLE stream_snapshots (
    stream  TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    state   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
