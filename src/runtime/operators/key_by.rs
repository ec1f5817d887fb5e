//! `key_by: COLUMNS` sets the record key: one column as it is, several as a JSON array.

use crate::expr::Expr;
use crate::formats::keys;
use crate::plan::Port;
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of `key_by`.
#[derive(Debug)]
pub struct KeyByOperator(pub Vec<Expr>);

impl Operator for KeyByOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let exprs: Vec<_> = self.0.iter().collect();
        for batch in round.single() {
            let (mut batch, columns) = evaluate(&exprs, batch, out);
            batch.meta.keys = keys(&columns);
            out.emit(Port(0), batch);
        }
        Ok(())
    }
}
