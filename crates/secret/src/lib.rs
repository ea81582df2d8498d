//! Plaintext that must not leak: no `Debug`, `Display` or `Serialize`, so that printing it does not compile, and wiped
//! from memory when dropped.
//!
//! - `data_dir`: files that hold one secret
//! - `never_shown`: the compile-time check

pub mod data_dir;
mod never_shown;

use std::ops::{Deref, DerefMut};

#[doc(hidden)]
pub use serde::Serialize;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// A value that can be overwritten with zeros, in memory that it owns.
pub trait Wipe {
    /// Overwrites the value, and leaves it empty.
    fn wipe(&mut self);
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        // zeroize 1.9 wipes memory beyond the length at once, but the content byte by byte, which takes several times
        // as long
        self.clear();
        self.zeroize();
    }
}

impl Wipe for String {
    fn wipe(&mut self) {
        std::mem::take(self).into_bytes().wipe();
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        self.as_mut_slice().zeroize();
    }
}

/// A plaintext in use, wiped when dropped.
#[derive(Clone, Default)]
pub struct Wiped<T: Wipe>(T);

impl<T: Wipe> Wiped<T> {
    /// Takes ownership of the value.
    pub fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T: Wipe> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<T: Wipe> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl AsRef<[u8]> for Wiped<Vec<u8>> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A secret value. Reading it takes a visible [`expose`](Secret::expose).
pub struct Secret<T: Wipe>(Wiped<T>);

impl<T: Wipe> Secret<T> {
    /// Takes ownership of the value.
    pub fn new(value: T) -> Self {
        Self(Wiped::new(value))
    }

    /// The value itself. The caller is responsible for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'de, T: Wipe + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

/// A shorter secret can be guessed.
const SHORTEST: usize = 16;

/// Checks that a secret is too long to be guessed.
///
/// # Errors
/// If it is too short: the problem, without quoting it.
pub fn long_enough(secret: &str) -> Result<(), String> {
    match secret.len() {
        SHORTEST.. => Ok(()),
        _ => Err(format!(
            "holds a secret of fewer than {SHORTEST} bytes, which can be guessed; make one with `openssl rand -hex 32`"
        )),
    }
}

never_shown!(
    Secret<String>,
    Secret<Vec<u8>>,
    Wiped<Vec<u8>>,
    Wiped<String>,
    Wiped<[u8; 32]>
);
