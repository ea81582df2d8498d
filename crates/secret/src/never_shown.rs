//! A compile-time check that types holding a plaintext or a key can be neither printed nor serialised.

/// Does not compile if a type implements `Debug`, `Display` or `Serialize`: then more than one `Shown` applies, which
/// is ambiguous. The technique of the crate `static_assertions`.
#[macro_export]
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
            impl<T: ?Sized + ::std::fmt::Debug> Shown<ByDebug> for T {}
            impl<T: ?Sized + ::std::fmt::Display> Shown<ByDisplay> for T {}
            impl<T: ?Sized + $crate::Serialize> Shown<BySerialize> for T {}
            <$type as Shown<_>>::by();
        };
    )+};
}
