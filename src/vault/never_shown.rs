//! The compiler's promise that nothing which holds a plaintext or a key can be printed or serialised.

use std::fmt::{Debug, Display};

use serde::Serialize;

use super::{
    DataKey, FingerprintKey, GivenKeys, KeyFile, KeyMaterial, Keyring, MasterKey, MasterKeys, Packed, SnapshotKey,
    SubjectKey, Transit, TransitSettings, TransitToken, Vault,
};
use crate::secret::{Secret, Wiped};
use crate::tlog::NoteSigner;

/// Does not compile if a type implements one of the traits: then more than one `Shown` fits, and the compiler cannot
/// choose. The way of the crate `static_assertions`.
macro_rules! never_shown {
    ($($type:ty),+ $(,)?) => {$(
        const _: fn() = || {
            trait Shown<Marker> {
                fn by() {}
            }
            struct ByDebug;
            struct ByDisplay;
            struct BySerialize;
            impl<T: ?Sized> Shown<()> for T {}
            impl<T: ?Sized + Debug> Shown<ByDebug> for T {}
            impl<T: ?Sized + Display> Shown<ByDisplay> for T {}
            impl<T: ?Sized + Serialize> Shown<BySerialize> for T {}
            <$type as Shown<_>>::by();
        };
    )+};
}

never_shown!(
    Secret<String>,
    Secret<Vec<u8>>,
    Wiped<Vec<u8>>,
    Wiped<String>,
    Wiped<[u8; 32]>,
    DataKey,
    FingerprintKey,
    GivenKeys,
    KeyFile,
    KeyMaterial,
    Keyring,
    MasterKey,
    MasterKeys,
    NoteSigner,
    Packed,
    SnapshotKey,
    SubjectKey,
    Transit,
    TransitSettings,
    TransitToken,
    Vault
);
