#!/usr/bin/env python3
"""Checks this bundle offline, with nothing but Python's standard library (3.8 or later).

    python3 check.py [--key KEY] [--checkpoint FILE]

Every event is hashed, and with the hashes of proof.json (RFC 6962) they have to make the root that the signed checkpoint
names. KEY is the ledger's public key as you got it from its operator before, and leads to those that the ledger has named since;
without it the keys in this bundle are believed. FILE is a checkpoint that you kept: it has to be of the log that this bundle is
of, which a bundle from event 1 on shows for every older one, another only for its own. What it covers is printed; one over 0
events shows nothing, which a warning says. Exit code: 0 well, 1 not, 2 wrong use.
"""
import argparse, base64, hashlib, json, os, sys
HERE = os.path.dirname(os.path.abspath(__file__))

# Ed25519, RFC 8032 section 5.1 and appendix A: verification only, so nothing here is secret
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        result = add(result, point) if scalar & 1 else result
        point, scalar = add(point, point), scalar >> 1
    return result

def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * ROOT_OF_MINUS_1 % P if (x * x - square) % P else x
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return (x, y, 1, x * y % P) if x & 1 == sign else (P - x, y, 1, (P - x) * y % P)

BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def ed25519_verifies(key, message, signature):
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0

def fail(reason):
    print("FAILED: " + reason)
    sys.exit(1)

def read(name):
    with open(name, encoding="utf-8", newline="") as file:
        return file.read()

def public_key(text):  # NAME+ID+KEY, as c2sp.org/signed-note has it; ValueError for anything else
    name, key_id, public = text.split("+", 2)
    public = base64.b64decode(public, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    if (key_id, public[:1], len(public)) != (expected.hex(), b"\1", 33):
        raise ValueError(text)
    return name, expected, public[1:]

def checkpoint(note, keys, must=True):
    """Size and root of a checkpoint (c2sp.org/tlog-checkpoint) that one of the keys (c2sp.org/signed-note) has signed."""
    text, _, signatures = note.rpartition("\n\n")
    signatures = [(line[2:].partition(" ")[0], base64.b64decode(line.split(" ")[-1])) for line in signatures.splitlines()]
    if not text or not signatures:
        raise ValueError("no signed note")
    for name, signature in signatures:
        for key_name, key_id, public in keys:
            if (name, signature[:4]) == (key_name, key_id) and ed25519_verifies(public, text.encode() + b"\n", signature[4:]):
                origin, size, root = text.splitlines()
                if origin != key_name:
                    fail("the checkpoint is of another log, " + origin)
                return int(size), base64.b64decode(root)
    known = [(name, key_id) for name, key_id, _ in keys]
    if must and any((name, signature[:4]) in known for name, signature in signatures):
        fail("the checkpoint was altered: the signature on it is of a key that is known here, and is not one over this text")
    if must:
        fail("the checkpoint is not signed with the key or one that it leads to, but with " +
             ", ".join(name + "+" + signature[:4].hex() for name, signature in signatures) + ": ask for that key")

def root(low, high, first, leaves, hashes):
    """The root over the leaves low to high: out of this bundle's leaves, and a hash for each subtree that has none of them."""
    if high <= first or first + len(leaves) <= low:
        return next(hashes, b"")
    if high - low == 1:
        return leaves[low - first]
    middle = low + (1 << (high - low - 1).bit_length() - 1)
    left = root(low, middle, first, leaves, hashes)
    return hashlib.sha256(b"\1" + left + root(middle, high, first, leaves, hashes)).digest()

def proves(proof, leaves, size, expected):
    """Whether a proof shows that these leaves are in a tree of this size and root."""
    hashes = iter([base64.b64decode(text) for text in proof["hashes"]])
    inside = proof["size"] == size and 1 <= proof["from"] <= size + 1 - len(leaves)
    return inside and root(0, size, proof["from"] - 1, leaves, hashes) == expected and next(hashes, None) is None

def successors(keys):
    """The keys, and those that events name which stand under a checkpoint of a key before."""
    for step in json.loads(read(os.path.join(HERE, "handovers.json"))):
        event, leaf = json.loads(step["leaf"]), hashlib.sha256(b"\0" + step["leaf"].encode()).digest()
        head = checkpoint(step["checkpoint"], keys, must=False)
        told = (event["source"], event["type"]) == ("warmledger", "SigningKeyRotated") and head
        if told and proves(step["proof"], [leaf], *head):
            keys = keys + [public_key(event["facts"]["key"])]
    return keys

def kept_checkpoint(path, keys):
    """That of the file, which is not the bundle's: what is wrong with it is not the bundle's fault."""
    try:
        return checkpoint(read(path), keys)
    except OSError as error:
        print("check.py: --checkpoint %s cannot be read: %s" % (path, error.strerror), file=sys.stderr)
        sys.exit(2)
    except (ValueError, LookupError, TypeError):
        fail("%s does not hold a signed checkpoint as the ledger wrote it (lines end in LF alone)" % path)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", type=public_key)
    parser.add_argument("--checkpoint", metavar="FILE")
    options, own = parser.parse_args(), read(os.path.join(HERE, "keys.txt")).split()
    keys = successors([options.key]) if options.key else [public_key(text) for text in own]
    size, expected = checkpoint(read(os.path.join(HERE, "checkpoint")), keys)
    proof = json.loads(read(os.path.join(HERE, "proof.json")))
    if proof["size"] != size or not 1 <= proof["from"] <= proof["to"] <= size:
        fail("the proof is not one for the checkpoint's %d events" % size)
    leaves = []
    with open(os.path.join(HERE, "events.jsonl"), "rb") as lines:
        for position, line in enumerate(lines, proof["from"]):
            leaf, line_hash = line[8:-80], line[-67:-3]
            digest = hashlib.sha256(b"\0" + leaf).digest()
            if line != b'{"leaf":' + leaf + b',"leafHash":"' + digest.hex().encode() + b'"}\n':
                fail("event %d is not what its hash %s says" % (position, line_hash.decode("ascii", "replace")))
            if json.loads(leaf)["position"] != position:
                fail("event %d stands where event %d should be" % (json.loads(leaf)["position"], position))
            leaves.append(digest)
    if len(leaves) != proof["to"] - proof["from"] + 1:
        fail("there are %d events, and the proof is about %d" % (len(leaves), proof["to"] - proof["from"] + 1))
    if not proves(proof, leaves, size, expected):
        fail("the events do not make the root that was signed: one of them, or the proof, was altered")
    kept, kept_root = kept_checkpoint(options.checkpoint, keys) if options.checkpoint else (size, expected)
    if kept and kept != size and (proof["from"] > 1 or kept > len(leaves)):
        fail("the checkpoint that you kept is over %d events: it takes a bundle from 1 to %d to compare it" % (kept, kept))
    if kept and kept_root != (expected if kept == size else root(0, kept, 0, leaves[:kept], iter(()))):
        fail("the checkpoint that you kept is not of this log: it had other events then")
    print("OK: events %d to %d are in the log of %d events that was signed" % (proof["from"], proof["to"], size))
    if options.checkpoint and kept:
        print("Your checkpoint covers events 1..%d; %d since, up to this bundle's checkpoint" % (kept, size - kept))
    elif options.checkpoint:
        print("Your checkpoint covers no event; %d since, up to this bundle's checkpoint" % size)
        print("warning: a checkpoint over 0 events holds against any log: keep a newer one", file=sys.stderr)
    if not options.key:
        print("The key is the bundle's own; compare it with the one that you were given:", *own, sep="\n  ")

if __name__ == "__main__":
    try:
        main()
    except (ValueError, LookupError, TypeError) as error:
        fail("the bundle is not in the form that it is written in: %r" % error)
