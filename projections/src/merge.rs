//! Merges that do not depend on the order in which events arrive: each keeps the greatest or least value by an explicit
//! key.

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// A value after the key by which it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keyed<K, V>(K, V);

/// The value with the greatest key of all offered ones.
///
/// The maximum is commutative and associative, so the order of the offers does not matter as long as equal keys come
/// from the same event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Newest<V, K = Stamp>(Option<Keyed<K, V>>);

impl<V, K> Default for Newest<V, K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: Clone, K: Ord + Clone> Newest<V, K> {
    /// Takes the value if there is one and its key is greater than the current one.
    pub(crate) fn offer(&mut self, key: &K, value: Option<&V>) {
        let Some(value) = value else { return };
        if self.0.as_ref().is_none_or(|held| *key > held.0) {
            self.0 = Some(Keyed(key.clone(), value.clone()));
        }
    }

    pub(crate) fn get(&self) -> Option<&V> {
        self.0.as_ref().map(|Keyed(_, value)| value)
    }

    /// The value after its key.
    pub(crate) fn keyed(&self) -> Option<(&K, &V)> {
        self.0.as_ref().map(|Keyed(key, value)| (key, value))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_stays_whatever_the_order_of_the_offers() {
        let offers = [(1, Some(&"a")), (3, Some(&"c")), (2, Some(&"b")), (4, None)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let mut newest = Newest::default();
            for index in order {
                let (key, value) = offers[index];
                newest.offer(&key, value);
            }
            assert_eq!(newest.get(), Some(&"c"));
        }
    }
}
