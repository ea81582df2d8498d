-- Whose consumer it is: the actor that made it, as in the access log. None of the relay's, and of those from before this.
ALTER TABLE consumers ADD COLUMN owner TEXT;
