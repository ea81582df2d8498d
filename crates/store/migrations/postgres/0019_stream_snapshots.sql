-- What an order's stream had come to at one of its versions, so that whoever has to know it need not read the stream from its beginning.
-- Written now and then, after the events; each tells by its tag whether it is as it was left. Nothing rests on a row's being here.
CREATE TABLE stream_snapshots (
    stream  text    COLLATE "C" PRIMARY KEY,
    version integer NOT NULL,
    state   bytea   NOT NULL
) WITH (fillfactor = 70);
