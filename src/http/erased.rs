//! Whether the users named in an answer were erased since. Read from the store for each answer, also as of an earlier
//! moment: an erasure applies to all moments.

use std::collections::{BTreeSet, HashMap};

use aggregates::{Position, SubjectId, UserId};

use store::{Store, StoreError};

/// When users were last erased.
pub(super) struct Erasures(HashMap<SubjectId, Position>);

impl Erasures {
    /// The erasures of these users.
    pub(super) async fn of<'u>(
        store: &dyn Store,
        users: impl Iterator<Item = Option<&'u UserId>>,
    ) -> Result<Self, StoreError> {
        let subjects: BTreeSet<SubjectId> = users.flatten().map(SubjectId::user).collect();
        if subjects.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let subjects: Vec<SubjectId> = subjects.into_iter().collect();
        let states = store.subjects(&subjects).await?.into_iter();
        let erased = states.filter_map(|state| Some((state.subject, state.erased_at?)));
        Ok(Self(erased.collect()))
    }

    /// Whether a user was erased at or after a position.
    pub(super) fn since(&self, user: Option<&UserId>, position: Option<Position>) -> bool {
        let erased = user.and_then(|user| self.0.get(&SubjectId::user(user)));
        erased.is_some_and(|erased| position.is_none_or(|position| position <= *erased))
    }
}
