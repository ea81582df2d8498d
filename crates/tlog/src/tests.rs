//! The tree against a naive one, known vectors, and forged input.

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use std::ops::Range;

use super::*;
use secret::Secret;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// RFC 6962 §2.1, implemented literally.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = (leaves.len() - 1).ilog2();
            let (left, right) = leaves.split_at(1 << split);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// A tree with its tiles, as in a store.
struct Kept {
    leaves: Vec<Hash>,
    growth: Growth,
}

impl Kept {
    fn new(count: u64) -> Self {
        let mut growth = Growth::default();
        let leaves = leaves(count);
        leaves.iter().for_each(|leaf| growth.push(*leaf));
        Self { leaves, growth }
    }

    fn hashes(&self, spans: &[Range<u64>]) -> Vec<Hash> {
        let mut nodes = Nodes::default();
        for (level, index) in Nodes::tiles_of(spans) {
            let first = (index * TILE_WIDTH) as usize;
            let row: Vec<Hash> = if level == 0 {
                self.leaves.clone()
            } else {
                let row = self.growth.nodes().iter().filter(|node| node.level == level);
                row.map(|node| node.hash).collect()
            };
            let end = row.len().min(first + TILE_WIDTH as usize);
            nodes.insert((level, index), row[first..end].to_vec());
        }
        nodes.hashes(spans).expect("every hash is kept")
    }
}

#[test]
fn the_roots_are_those_of_the_reference_implementation_of_certificate_transparency() {
    // merkle_tree_test.cc of google/certificate-transparency, used by every implementation since
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::default();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex::encode(frontier.root()), empty);
    for (entry, root) in entries.into_iter().zip(roots) {
        frontier.push(leaf_hash(&hex::decode(entry).unwrap()), |_| {});
        assert_eq!(hex::encode(frontier.root()), root);
    }
}

#[test]
fn the_frontier_has_the_root_of_the_naive_tree_at_every_size() {
    let leaves = leaves(600);
    let mut growth = Growth::default();
    for size in 0..=leaves.len() {
        assert_eq!(growth.frontier().root(), naive_root(&leaves[..size]), "size {size}");
        let bytes = growth.frontier().to_bytes();
        assert_eq!(
            Frontier::from_bytes(size as u64, &bytes).as_ref(),
            Some(growth.frontier())
        );
        assert_eq!(
            Frontier::from_bytes(size as u64, &[&bytes[..], &[0; 32]].concat()),
            None
        );
        if let Some(leaf) = leaves.get(size) {
            growth.push(*leaf);
        }
    }
}

#[test]
fn a_full_tile_leaves_its_root_one_level_up() {
    let Kept { leaves, growth } = Kept::new(65_537);
    let nodes = growth.nodes();
    assert_eq!(nodes.len(), 256 + 1);
    assert_eq!((nodes[0].level, nodes[0].index), (1, 0));
    assert_eq!(nodes[0].hash, naive_root(&leaves[..256]));
    assert_eq!((nodes[255].level, nodes[255].index), (1, 255));
    assert_eq!((nodes[256].level, nodes[256].index), (2, 0));
    assert_eq!(nodes[256].hash, naive_root(&leaves[..65_536]));
}

#[test]
fn every_proof_of_a_small_tree_verifies_and_no_other_does() {
    let kept = Kept::new(40);
    for size in 1..=40 {
        let root = naive_root(&kept.leaves[..size as usize]);
        for index in 0..size {
            let proof = kept.hashes(&inclusion_proof(index, size));
            let leaf = &kept.leaves[index as usize];
            assert!(verify_inclusion(index, size, leaf, &proof, &root));
            let other = &kept.leaves[((index + 1) % 40) as usize];
            assert!(!verify_inclusion(index, size, other, &proof, &root));
            assert!(!verify_inclusion(
                index,
                size,
                leaf,
                &[&proof[..], &[root]].concat(),
                &root
            ));
            assert!(proof.is_empty() || !verify_inclusion(index, size, leaf, &proof[1..], &root));
        }
        for from in 0..=size {
            let proof = kept.hashes(&consistency_proof(from, size));
            let earlier = naive_root(&kept.leaves[..from as usize]);
            assert!(
                verify_consistency((from, &earlier), (size, &root), &proof),
                "{from} {size}"
            );
            let wrong = node_hash(&earlier, &root);
            assert!(from == 0 || !verify_consistency((from, &wrong), (size, &root), &proof));
            assert!(from == 0 || !verify_consistency((from, &earlier), (size, &wrong), &proof));
            assert!(!verify_consistency(
                (from, &earlier),
                (size, &root),
                &[&proof[..], &[root]].concat()
            ));
        }
    }
    assert!(inclusion_proof(3, 3).is_empty() && consistency_proof(4, 3).is_empty());
    assert!(!verify_consistency((4, &[0; 32]), (3, &[0; 32]), &[]));
}

/// The verification of a range proof as in `check.py`.
fn root_of_range(span: Range<u64>, range: &Range<u64>, leaves: &[Hash], proof: &mut std::vec::IntoIter<Hash>) -> Hash {
    if span.end <= range.start || range.end <= span.start {
        return proof.next().expect("one more hash");
    }
    if span.end - span.start == 1 {
        return leaves[(span.start - range.start) as usize];
    }
    let middle = span.start + (1 << (span.end - span.start - 1).ilog2());
    let left = root_of_range(span.start..middle, range, leaves, proof);
    let right = root_of_range(middle..span.end, range, leaves, proof);
    node_hash(&left, &right)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_of_larger_trees_verify(size in 1_u64..3_000, a in any::<u64>(), b in any::<u64>(), flip in any::<u8>()) {
        let kept = Kept::new(size);
        let root = kept.growth.frontier().root();
        let (index, from) = (a % size, 1 + b % size);
        let mut proof = kept.hashes(&inclusion_proof(index, size));
        let leaf = &kept.leaves[index as usize];
        prop_assert!(verify_inclusion(index, size, leaf, &proof, &root));
        if let Some(hash) = proof.get_mut(usize::from(flip) % 12) {
            hash[usize::from(flip) % 32] ^= 1;
            prop_assert!(!verify_inclusion(index, size, leaf, &proof, &root));
        }
        let earlier = Kept::new(from).growth.frontier().root();
        let mut proof = kept.hashes(&consistency_proof(from, size));
        prop_assert!(verify_consistency((from, &earlier), (size, &root), &proof));
        if let Some(hash) = proof.get_mut(usize::from(flip) % 12) {
            hash[usize::from(flip) % 32] ^= 1;
            prop_assert!(!verify_consistency((from, &earlier), (size, &root), &proof));
        }
        let range = index.min(from - 1)..index.max(from - 1) + 1;
        let proof = kept.hashes(&range_proof(&range, size));
        prop_assert!(proof.len() <= 24);
        let within = &kept.leaves[range.start as usize..range.end as usize];
        let mut proof = proof.into_iter();
        prop_assert_eq!(root_of_range(0..size, &range, within, &mut proof), root);
        prop_assert_eq!(proof.next(), None);
    }

    #[test]
    fn a_tile_is_named_in_one_way_only(index in any::<u64>(), width in 1_u16..=256, text in "[x0-9/.p]{0,12}") {
        let kind = TileKind::Hashes(0);
        let tile = Tile { kind, index, width };
        let path = tile.to_string();
        prop_assert_eq!(Tile::parse(kind, path.strip_prefix("tile/0/").unwrap()), Some(tile));
        if let Some(read) = Tile::parse(kind, &text) {
            prop_assert_eq!(read.to_string(), format!("tile/0/{text}"));
        }
    }
}

#[test]
fn tile_paths_are_those_of_the_specification() {
    let parse = |path| Tile::parse(TileKind::Entries, path);
    let tile = |index, width| {
        Some(Tile {
            kind: TileKind::Entries,
            index,
            width,
        })
    };
    assert_eq!(parse("x001/x234/067"), tile(1_234_067, 256));
    assert_eq!(parse("000.p/255"), tile(0, 255));
    assert_eq!(tile(273, 112).unwrap().to_string(), "tile/entries/273.p/112");
    for bad in [
        "",
        "0",
        "0000",
        "x000/001",
        "001/x234",
        "067.p/0",
        "067.p/256",
        "067.p/08",
        "067.p/",
        "+67",
        "x/067",
    ] {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert_eq!(parse("x018/x446/x744/x073/x709/x551/616"), None, "beyond 64 bits");
}

#[test]
fn a_note_is_that_of_the_specification() {
    // the example of golang.org/x/mod/sumdb/note
    let key = NoteVerifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    assert_eq!(key.name(), "PeterNeumann");
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let parsed = SignedNote::parse(note).unwrap();
    assert!(
        parsed
            .verified(std::slice::from_ref(&key))
            .unwrap()
            .ends_with("problem is.\n")
    );
    let forged = SignedNote::parse(&note.replace("answer", "Answer")).unwrap();
    assert_eq!(forged.verified(&[key]), Err(NoteError::Forged));
    assert_eq!(parsed.verified(&[]), Err(NoteError::Unsigned));
}

#[test]
fn a_checkpoint_is_signed_read_and_verified() {
    let signer = |name, seed| NoteSigner::new(name, &Secret::new([seed; 32]));
    let (old, new) = (signer("warmledger.test/1", 1), signer("warmledger.test/1", 2));
    let checkpoint = Checkpoint {
        origin: "warmledger.test/1".to_owned(),
        size: 20_852_163,
        root: [7; 32],
    };
    let note = SignedNote::sign(&checkpoint.to_string(), &[&old, &new]);
    let parsed = SignedNote::parse(&note).unwrap();
    for key in [old.verifier(), new.verifier()] {
        let text = parsed.verified(std::slice::from_ref(key)).unwrap();
        assert_eq!(Checkpoint::parse(text), Ok(checkpoint.clone()));
        assert_eq!(NoteVerifier::parse(&key.to_string()).as_ref(), Ok(key));
    }
    assert_eq!(
        parsed.verified(&[signer("other", 1).verifier().clone()]),
        Err(NoteError::Unsigned)
    );
    for bad in [
        "",
        "o\n01\nx\n",
        "o\n1\n\n",
        "a b\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
    ] {
        assert_eq!(Checkpoint::parse(bad), Err(NotACheckpoint), "{bad:?}");
    }
    for bad in [
        "",
        "x",
        "text\n\n",
        "text\n\n— a\n",
        "text\n\n— a b\n",
        "t\tx\n\n— a AAAAAAA=\n",
    ] {
        assert_eq!(SignedNote::parse(bad), Err(NoteError::NotANote), "{bad:?}");
    }
    let proof = tlog_proof(3, &[[7; 32]], &note);
    let hash = BASE64_STANDARD.encode([7; 32]);
    assert_eq!(proof, format!("c2sp.org/tlog-proof@v1\nindex 3\n{hash}\n\n{note}"));
}
