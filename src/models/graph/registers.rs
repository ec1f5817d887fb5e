//! Resets the vector registers after a network has run.
//!
//! The matrix kernels of the evaluator return with the upper halves of the vector registers in use, which slows
//! down every later floating-point instruction (measured: over 100 ns for one exponential). This file is separate
//! because it is the only one that needs `unsafe`.

/// Marks the upper halves as unused.
#[cfg(target_arch = "x86_64")]
pub(super) fn zero_upper_halves() {
    #[target_feature(enable = "avx")]
    fn zero_upper() {
        std::arch::x86_64::_mm256_zeroupper();
    }
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has the feature that the function asks for.
        #[allow(unsafe_code)]
        unsafe {
            zero_upper();
        }
    }
}

/// Does nothing: only x86-64 has such halves.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn zero_upper_halves() {}
