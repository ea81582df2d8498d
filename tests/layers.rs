//! Crates depend on lower ones only, and modules do not import each other in a circle.
//!
//! Reads `use` declarations and paths as text. Rust allows modules of one crate to import each other, so the compiler
//! reports neither.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates, lowest first. Each may use those before it.
const LAYERS: [(&str, &str); 14] = [
    ("aggregates", "aggregates"),
    ("projections", "projections"),
    ("secret", "crates/secret"),
    ("tls", "crates/tls"),
    ("tlog", "crates/tlog"),
    ("sealing", "crates/sealing"),
    ("store", "crates/store"),
    ("vault", "crates/vault"),
    ("ledger", "crates/ledger"),
    ("runner", "crates/runner"),
    ("proof", "crates/proof"),
    ("simulate", "crates/simulate"),
    ("warmledger", "."),
    ("bench", "bench"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn crates_build_on_lower_ones_only() {
    let mut listed: BTreeSet<PathBuf> = BTreeSet::new();
    for (place, (name, directory)) in LAYERS.iter().enumerate() {
        let manifest: toml::Table = read(&root().join(directory).join("Cargo.toml")).parse().unwrap();
        for dependency in dependencies(&manifest) {
            if let Some(other) = LAYERS.iter().position(|(layer, _)| *layer == dependency) {
                assert!(other < place, "{name} imports upwards: {dependency}");
            }
            let is_document = dependency.starts_with("utoipa");
            assert!(!is_document || *name == "warmledger", "{name} describes the API");
        }
        listed.insert(root().join(directory));
    }
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        assert!(listed.contains(&path), "{} is in no layer", path.display());
    }
}

/// The packages that a manifest depends on, for any purpose and target.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            found.extend(table.iter().map(|(name, dependency)| {
                let package = dependency.get("package").and_then(toml::Value::as_str);
                package.unwrap_or(name).to_owned()
            }));
        } else if key != "workspace" {
            found.extend(dependencies(table));
        }
    }
    found
}

#[test]
fn every_dependency_of_a_manifest_is_found() {
    let manifest = r#"
        [dependencies]
        a = "1"
        alias = { package = "b", version = "1" }
        [build-dependencies]
        c = "1"
        [target.'cfg(unix)'.dev-dependencies]
        d = "1"
        [workspace.dependencies]
        e = "1"
    "#;
    let found = dependencies(&manifest.parse().unwrap());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut modules = 0;
    let mut circles = Vec::new();
    for (name, directory) in LAYERS {
        let house = House::of(&root().join(directory).join("src"));
        modules += house.modules.len();
        circles.extend(house.circles().into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(modules > 300, "only {modules} modules were found");
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let modules = [
        ("", "mod a;\nmod b;\npub use b::Renamed;"),
        ("a", "use super::Renamed;"),
        ("b", "mod c;"),
        ("b::c", "use crate::{x, a::{self, Thing as Other}};"),
    ];
    let house = House::new(modules.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let circles = house.circles();
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(circles[0].contains('a') && circles[0].contains('b'), "{circles:?}");
    // through a glob
    let modules = [
        ("", "mod a;\nmod b;\npub use a::*;"),
        ("a", "use crate::b::help;\npub enum Thing {}"),
        ("b", "use crate::Thing;\npub fn help() {}"),
    ];
    let house = House::new(modules.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert_eq!(house.circles().len(), 1);
    // through modules that are written elsewhere, and what their parent imports
    let modules = [
        (
            "one",
            "mod own;\n#[path = \"both/all.rs\"]\nmod both;\nuse both::shared;",
        ),
        ("one::own", "use super::shared::x;"),
        ("both::all", "mod shared;\nuse super::own;"),
        ("both::shared", "use super::own::y;"),
    ];
    let house = House::new(modules.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let circles = house.circles();
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(
        circles[0].contains("own") && circles[0].contains("shared"),
        "{circles:?}"
    );
    // a child may use its parent's items, and the parent its children's
    let family = [("", "mod a;\nuse a::A;"), ("a", "use super::B;\nuse super::*;")];
    let family = House::new(family.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert!(family.circles().is_empty());
}

type ModulePath = Vec<String>;

/// The modules of a crate, without its tests.
struct House {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// The items of its own crate that it names, as paths from the crate's root.
    names: BTreeSet<ModulePath>,
    /// What it imports or re-exports: the name here, which its children can use too, and the original path.
    hands_on: BTreeMap<String, ModulePath>,
    /// The modules of which it re-exports everything.
    globs: Vec<ModulePath>,
    /// The names of its own items.
    defines: BTreeSet<String>,
}

fn segments(path: &str) -> ModulePath {
    let segments = path.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}

impl House {
    fn of(source: &Path) -> Self {
        let mut files = Vec::new();
        collect(source, &mut Vec::new(), &mut files);
        Self::new(files)
    }

    fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let texts: BTreeMap<ModulePath, String> = files
            .into_iter()
            .map(|(path, text)| (segments(&path), without_tests_and_comments(&text)))
            .collect();
        let texts = with_borrowed(texts);
        let known: BTreeSet<&ModulePath> = texts.keys().collect();
        let module = |(path, text): (&ModulePath, &String)| (path.clone(), look(path, text, &known));
        Self {
            modules: texts.iter().map(module).collect(),
        }
    }

    /// The module of a path, with re-exports resolved.
    fn find(&self, path: &[String], hops: usize) -> Option<ModulePath> {
        (0..=path.len()).rev().find_map(|length| {
            let module = self.modules.get(&path[..length])?;
            let name = path.get(length);
            let handed_on = name.and_then(|name| {
                module
                    .hands_on
                    .get(name)
                    .cloned()
                    .or_else(|| self.by_glob(module, name))
            });
            match handed_on {
                Some(origin) if hops < 8 && origin != path => self.find(&origin, hops + 1),
                _ => Some(path[..length].to_vec()),
            }
        })
    }

    /// The path of an item that a module re-exports with all others of another one.
    fn by_glob(&self, module: &Module, name: &str) -> Option<ModulePath> {
        let has_it = |origin: &&ModulePath| {
            let origin = self.modules.get(*origin);
            origin.is_some_and(|origin| origin.defines.contains(name) || origin.hands_on.contains_key(name))
        };
        let origin = module.globs.iter().find(has_it)?;
        Some([origin.as_slice(), &[name.to_owned()]].concat())
    }

    /// Imports between the children of one module, each with all its descendants.
    fn imports(&self) -> BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> {
        let mut imports: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (path, module) in &self.modules {
            for name in &module.names {
                let Some(other) = self.find(name, 0) else { continue };
                let shared = path.iter().zip(&other).take_while(|(one, other)| one == other).count();
                if let (Some(from), Some(to)) = (path.get(shared), other.get(shared)) {
                    let among = imports.entry(path[..shared].to_vec()).or_default();
                    among.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        imports
    }

    fn circles(&self) -> Vec<String> {
        let mut circles = Vec::new();
        for (parent, among) in self.imports() {
            let reached = |from: &String| {
                let mut seen = BTreeSet::new();
                let mut next: Vec<&String> = among.get(from).into_iter().flatten().collect();
                while let Some(module) = next.pop() {
                    if seen.insert(module) {
                        next.extend(among.get(module).into_iter().flatten());
                    }
                }
                seen
            };
            let circle: Vec<&str> = among
                .keys()
                .filter(|module| reached(module).contains(module))
                .map(String::as_str)
                .collect();
            if !circle.is_empty() {
                circles.push(format!(
                    "in {:?} these import each other: {}",
                    parent.join("::"),
                    circle.join(", ")
                ));
            }
        }
        circles
    }
}

fn collect(directory: &Path, path: &mut ModulePath, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap().path();
        let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" {
            continue;
        }
        if entry.is_dir() {
            path.push(name);
            collect(&entry, path, files);
            path.pop();
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let is_root = path.is_empty() && matches!(name.as_str(), "lib" | "main");
            // in a package with both, the program counts as one more module
            let both = is_root && name == "main" && directory.join("lib.rs").exists();
            let own = if is_root && !both { None } else { Some(name) };
            let module: Vec<&str> = path.iter().map(String::as_str).chain(own.as_deref()).collect();
            files.push((module.join("::"), read(&entry)));
        }
    }
}

/// The text before the tests, without comments.
fn without_tests_and_comments(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let lines = text[..end].lines().filter(is_code);
    lines
        .map(|line| line.split(" // ").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Puts modules that are written in another folder (`#[path = "both/all.rs"] mod both;`) among the children of each module that
/// borrows them.
fn with_borrowed(mut texts: BTreeMap<ModulePath, String>) -> BTreeMap<ModulePath, String> {
    let mut borrowed = Vec::new();
    for (module, text) in &texts {
        for (_, rest) in text.match_indices("#[path = \"").map(|(at, _)| text[at..].split_at(10)) {
            let file = rest.split('"').next().unwrap_or_default();
            let Some((folder, _)) = file.rsplit_once('/') else {
                continue;
            };
            let folder = [&module[..module.len() - 1], &[folder.to_owned()]].concat();
            borrowed.push((module.clone(), folder));
        }
    }
    for (module, folder) in &borrowed {
        let lent: Vec<_> = texts.iter().filter(|(path, _)| path.starts_with(folder)).collect();
        let own =
            |(path, text): (&ModulePath, &String)| ([module.as_slice(), &path[folder.len()..]].concat(), text.clone());
        let copies: Vec<_> = lent.into_iter().map(own).collect();
        texts.extend(copies);
    }
    texts.retain(|path, _| !borrowed.iter().any(|(_, folder)| path.starts_with(folder)));
    texts
}

/// The names of the items that a text defines.
fn defined(text: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 8] = ["struct", "enum", "fn", "type", "const", "static", "trait", "union"];
    let mut words = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    let mut names = BTreeSet::new();
    while let Some(word) = words.next() {
        if KEYWORDS.contains(&word) {
            names.extend(words.next().map(str::to_owned));
        }
    }
    names
}

fn look(module: &[String], text: &str, known: &BTreeSet<&ModulePath>) -> Module {
    let absolute = |path: &str| -> Option<ModulePath> {
        let mut path = segments(path);
        let mut base = module.to_vec();
        match path.first()?.as_str() {
            "crate" => return Some(path.split_off(1)),
            "self" => drop(path.remove(0)),
            "super" => {
                while path.first().is_some_and(|first| first == "super") {
                    path.remove(0);
                    base.pop();
                }
            }
            first => {
                let mut child = base.clone();
                child.push(first.to_owned());
                if !known.contains(&child) {
                    return None;
                }
            }
        }
        base.extend(path);
        Some(base)
    };
    let mut found = Module {
        defines: defined(text),
        ..Module::default()
    };
    for tree in declarations(text) {
        for path in leaves(tree) {
            let (path, name) = match path.split_once(" as ") {
                Some((path, name)) => (path.trim().to_owned(), Some(name.trim().to_owned())),
                None => (path, None),
            };
            let Some(path) = absolute(path.trim_end_matches("::self")) else {
                continue;
            };
            match name.or_else(|| path.last().cloned()) {
                Some(name) if name == "*" => found.globs.push(path[..path.len() - 1].to_vec()),
                Some(name) => drop(found.hands_on.insert(name, path.clone())),
                None => {}
            }
            found.names.insert(path);
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let words = text.split(|c: char| !is_part(c)).filter(|word| word.contains("::"));
    found.names.extend(words.filter_map(absolute));
    found
}

/// The trees of the `use` declarations.
fn declarations(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let begins = line.is_empty() || line == "pub" || line.starts_with("pub(") && line.ends_with(')');
        let after = &rest[at + 4..];
        let end = after.find(';').unwrap_or(after.len());
        if begins {
            found.push(&after[..end]);
        }
        rest = if begins { &after[end..] } else { after };
    }
    found
}

/// The paths of a tree: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((stem, branches)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let branches = branches.trim_end().strip_suffix('}').unwrap_or(branches);
    let (mut depth, mut begin, mut leaves_of) = (0, 0, Vec::new());
    for (at, c) in branches.char_indices().chain([(branches.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = branches[begin..at].trim();
                if !branch.is_empty() {
                    leaves_of.extend(leaves(branch).into_iter().map(|leaf| format!("{}{leaf}", stem.trim())));
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    leaves_of
}
