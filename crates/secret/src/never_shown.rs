//! The compiler's promise that nothing which holds a plaintext or a key can be printed or serialised.

/// Does not compile if a type implements `Debug`, `Display` or `Serialize`: then more than one `Shown` fits, and the compiler
/// cannot choose. The way of the crate `static_assertions`.
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
