// Checks a copy of a log, as it was served over HTTP, with Go's own implementation of transparency logs: golang.org/x/mod/sumdb/tlog
// and note. Nothing in it is ours but the reading of files.
//
// The directory given has: key (the public key), checkpoint, checkpoint.old, tile/… as they were served, proofs.json.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error, what string) {
	if err != nil {
		fmt.Printf("FAILED: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func read(parts ...string) []byte {
	data, err := os.ReadFile(filepath.Join(append([]string{os.Args[1]}, parts...)...))
	check(err, "reading")
	return data
}

// open verifies a signed checkpoint.
func open(name string) tlog.Tree {
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read("key"))))
	check(err, "key")
	opened, err := note.Open(read(name), note.VerifierList(verifier))
	check(err, name)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		check(fmt.Errorf("%q", opened.Text), name)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, name)
	hash, err := tlog.ParseHash(lines[2])
	check(err, name)
	return tlog.Tree{N: size, Hash: hash}
}

// tiles reads tiles of height 8 from the paths of c2sp.org/tlog-tiles, which leave the height out.
type tiles struct{}

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		data = append(data, read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return data, nil
}

func hashes(texts []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		check(err, "proof")
		hashes = append(hashes, hash)
	}
	return hashes
}

func main() {
	old, tree := open("checkpoint.old"), open("checkpoint")
	reader := tlog.TileHashReader(tree, tiles{})

	// every leaf hash, out of tiles that lead to the signed root, against every entry
	for start := int64(0); start < tree.N; start += 256 {
		var indexes []int64
		for n := start; n < tree.N && n < start+256; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
		}
		leaves, err := reader.ReadHashes(indexes)
		check(err, "tiles")
		tile := tlog.Tile{H: 8, L: 0, N: start / 256, W: len(leaves)}
		bundle := read(strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
		for n, leaf := range leaves {
			length := int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:2+length]) != leaf {
				check(fmt.Errorf("entry %d", start+int64(n)), "entries")
			}
			bundle = bundle[2+length:]
		}
		if len(bundle) > 0 {
			check(fmt.Errorf("bytes left"), "entries")
		}
	}

	var served struct {
		Inclusion []struct {
			Index, Size              int64
			LeafHash, RootHash, Leaf string
			Proof                    []string
		}
		Consistency struct{ Proof []string }
	}
	check(json.Unmarshal(read("proofs.json"), &served), "proofs.json")
	for _, proof := range served.Inclusion {
		leaf := hashes([]string{proof.LeafHash})[0]
		if leaf != tlog.RecordHash([]byte(proof.Leaf)) || proof.Size != tree.N {
			check(fmt.Errorf("entry %d", proof.Index), "leaf")
		}
		check(tlog.CheckRecord(hashes(proof.Proof), tree.N, tree.Hash, proof.Index, leaf), "inclusion")
		// and as Go would have made it
		own, err := tlog.ProveRecord(tree.N, proof.Index, reader)
		check(err, "proving")
		if fmt.Sprint(own) != fmt.Sprint(tlog.RecordProof(hashes(proof.Proof))) {
			check(fmt.Errorf("entry %d", proof.Index), "another proof")
		}
	}
	check(tlog.CheckTree(hashes(served.Consistency.Proof), tree.N, tree.Hash, old.N, old.Hash), "consistency")
	fmt.Printf("OK: %d entries, %d proofs, %d to %d\n", tree.N, len(served.Inclusion), old.N, tree.N)
}
