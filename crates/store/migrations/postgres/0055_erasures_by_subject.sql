-- Whether each erasure is in effect is looked up at every start: not by reading the whole log for that.
CREATE INDEX events_erasures ON events (subject, position) WHERE type = 'SubjectErased';
