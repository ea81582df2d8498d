//! The scopes of a token.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One permission of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reading the projections.
    Read,
    /// Reading the events themselves, the access log and the proofs.
    Audit,
    /// Revealing the credentials of one mailbox at a time.
    Reveal,
    /// Revealing the credentials of many mailboxes at once.
    RevealBulk,
    /// Erasing subjects.
    Erase,
    /// Operating the service.
    Operate,
    /// Creating and revoking tokens, which implies every other scope.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Audit,
        Self::Reveal,
        Self::RevealBulk,
        Self::Erase,
        Self::Operate,
        Self::Admin,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Reveal => "reveal",
            Self::RevealBulk => "reveal-bulk",
            Self::Erase => "erase",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::as_str).join(", ");
                format!("{text:?} is no scope; there are {names}")
            })
    }
}

/// The scopes of one token. As text, names separated by spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// All scopes.
    pub fn all() -> Self {
        Self(Scope::ALL.into())
    }

    /// Whether the scope is among them.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_back_as_they_are_written() {
        let all = Scopes::all();
        assert_eq!(all.to_string(), "read audit reveal reveal-bulk erase operate admin");
        assert_eq!(all.to_string().parse(), Ok(all));
        assert_eq!("".parse(), Ok(Scopes::default()));
    }

    #[test]
    fn what_is_no_scope_is_named_with_all_that_are() {
        let error = "read,audit".parse::<Scope>().unwrap_err();
        assert!(
            error.contains("\"read,audit\"") && error.contains("reveal-bulk"),
            "{error}"
        );
    }
}
