//! The remainder of a division, in place of the library's operator.
//!
//! That operator (tract 0.23.9) is declared commutative, so the optimiser exchanges dividend and divisor if the
//! dividend has fewer elements. For `FloorMod` of TensorFlow its result also has the wrong sign, that of the dividend.

use std::ops::Add;
use tract_onnx::prelude::{Datum, DatumType, TValue, Tensor, TractResult, tract_ndarray::Zip};
use tract_onnx::tract_core::ops::binary::BinMiniOp;
use tract_onnx::tract_core::ops::math::Rem;

/// A remainder operator. Invariant: the order of the operands is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::models) enum Remainder {
    /// The result has the sign of the dividend.
    Truncated,
    /// The result has the sign of the divisor.
    Floored,
}

impl Remainder {
    fn adjust(self, remainder: &mut Tensor, divisor: &Tensor) -> TractResult<()> {
        match remainder.datum_type() {
            _ if self == Self::Truncated => Ok(()),
            DatumType::F32 => adjust::<f32>(remainder, divisor),
            DatumType::F64 => adjust::<f64>(remainder, divisor),
            DatumType::F16 => adjust::<tract_onnx::prelude::f16>(remainder, divisor),
            DatumType::I8 => adjust::<i8>(remainder, divisor),
            DatumType::I16 => adjust::<i16>(remainder, divisor),
            DatumType::I32 => adjust::<i32>(remainder, divisor),
            DatumType::I64 => adjust::<i64>(remainder, divisor),
            _ => Ok(()),
        }
    }
}

/// Adds the divisor to each remainder whose sign differs from that of the divisor.
fn adjust<T: Datum + Copy + Default + PartialOrd + Add<Output = T>>(
    remainder: &mut Tensor,
    divisor: &Tensor,
) -> TractResult<()> {
    let zero = T::default();
    let mut plain = remainder.try_as_plain_ram_mut()?;
    let divisor = divisor.to_plain_array_view::<T>()?;
    Zip::from(&mut plain.to_array_view_mut::<T>()?).and_broadcast(divisor).for_each(|r, d| {
        if (*r < zero && *d > zero) || (*r > zero && *d < zero) {
            *r = *r + *d;
        }
    });
    Ok(())
}

impl BinMiniOp for Remainder {
    fn name(&self) -> &'static str {
        "Remainder"
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        Rem.result_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        Rem.eval_in_a(a, b)?;
        self.adjust(a, b)
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        Rem.eval_out_of_place(c, a, b)?;
        self.adjust(c, b)
    }

    fn is_commutative(&self) -> bool {
        false
    }

    fn eval(&self, a: TValue, b: TValue, c_dt: DatumType) -> TractResult<Tensor> {
        // Dimensions are not negative, so both kinds are the same for them.
        if c_dt == DatumType::TDim { Rem.eval(a, b, c_dt) } else { self.generic_eval(a, b, c_dt) }
    }
}
