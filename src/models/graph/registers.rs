//! Leaves the vector registers as the rest of the program expects them after a network has run.
//!
//! Separate because it is the one place of the crate that needs `unsafe`: the matrix kernels of the evaluator
//! return with the upper halves of the vector registers in use, and from then on every floating-point
//! instruction of ordinary code waits for them (profiles showed a single exponential taking over 100 ns).

/// Marks the upper halves as unused.
#[cfg(target_arch = "x86_64")]
pub(super) fn clean() {
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

/// Other processors have no such halves.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn clean() {}
