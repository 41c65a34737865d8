//! `tollgate policy`: check, test, explain, replay and promote policies.

mod case_lines;
mod check;
mod coverage;
mod eval;
mod explain;
mod fmt;
mod junit;
mod new_case;
mod promote;
mod replay;
mod sarif;
mod schema;
mod suggest;
mod test;
mod unused_names;

use clap::Subcommand;

use crate::{context::Context, error::Failure, exit_code::Exit};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Parse and validate every policy, and find policies without effect.
    #[command(after_help = check::HELP)]
    Check(check::Check),
    /// Format policy files.
    #[command(after_help = fmt::HELP)]
    Fmt(fmt::Fmt),
    /// Print the schema: the fixed part, and an action for each loaded tool.
    #[command(after_help = schema::HELP)]
    Schema(schema::Schema),
    /// Write permits that cover exactly the recorded calls, or propose standing approvals.
    Suggest(suggest::Suggest),
    /// Run test cases from files against the policies.
    #[command(after_help = test::HELP)]
    Test(test::Test),
    /// Explain a decision, and what would have changed it.
    #[command(after_help = explain::HELP)]
    Explain(explain::Explain),
    /// Print the value of a Cedar expression for one request.
    #[command(after_help = eval::HELP)]
    Eval(eval::Eval),
    /// Write a test case from a recorded decision.
    #[command(after_help = new_case::HELP)]
    NewCase(new_case::NewCase),
    /// Decide recorded requests again with other policies.
    #[command(after_help = replay::HELP)]
    Replay(replay::Replay),
    /// List the decisions of each policy, and policies that never determined one.
    #[command(after_help = coverage::HELP)]
    Coverage(coverage::Coverage),
    /// Put shadow policies into force.
    #[command(after_help = promote::HELP)]
    Promote(promote::Promote),
}

/// Run `tollgate policy`.
pub(crate) async fn run(command: Policy, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Policy::Check(args) => check::run(&args, cx).await,
        Policy::Fmt(args) => fmt::run(&args, cx),
        Policy::Schema(args) => schema::run(&args, cx).await,
        Policy::Suggest(args) => suggest::run(&args, cx).await,
        Policy::Test(args) => test::run(&args, cx).await,
        Policy::Explain(args) => explain::run(&args, cx).await,
        Policy::Eval(args) => eval::run(&args, cx).await,
        Policy::NewCase(args) => new_case::run(&args, cx).await,
        Policy::Replay(args) => replay::run(args, cx),
        Policy::Coverage(args) => coverage::run(&args, cx).await,
        Policy::Promote(args) => promote::run(&args, cx).await,
    }
}
