//! Which registers a loop runs in: portable loop -> **wrappers compiled for wider ones** -> the widest this processor has.
//!
//! Invariant: a wrapper is called only where the processor has every feature it is compiled for; it runs the very loop that `scalar` does.
//! Must not know: what a loop does.

/// Defines functions that run an inlined, portable loop compiled for the widest registers this processor has.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $run:path) => {
        $(#[$doc])*
        #[inline]
        pub fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $run($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $run($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx2")
                {
                    // SAFETY: the processor has every feature the function is compiled for; asked just above.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has every feature the function is compiled for; asked just above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $run($($arg),*)
        }
    };
}

pub(super) use dispatch;
