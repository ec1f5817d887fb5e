//! `fastdata state drop`.

use super::StateDropArgs;
use crate::cli::context::CliContext;
use crate::cli::exit::UserError;
use crate::cli::figures::{bytes, counted};
use crate::cli::{backplane, run};
use crate::runtime::{DropError, drop_state};
use crate::time::{Clock as _, SystemClock};

pub(super) fn execute(args: &StateDropArgs, context: &CliContext) -> anyhow::Result<()> {
    let (spec, plan) = run::compile(&args.pipeline)?;
    let log = backplane::open_existing(context.global(), Some(&spec))?;
    let dropped = drop_state(&plan, &*log, &args.step, SystemClock.now()).map_err(|error| match error {
        DropError::Refused { message, hint } => UserError::new(message).hint(hint).into(),
        DropError::Fault(fault) => anyhow::Error::from(fault),
    })?;
    let (keys, size) = (counted(dropped.keys, "key"), bytes(dropped.bytes));
    context
        .printer()
        .info(format_args!("dropped the state of `{}`: {keys} in {size}, topic `{}`", args.step, dropped.topic));
    Ok(())
}
