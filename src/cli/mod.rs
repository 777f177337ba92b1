//! The command line: a module for each subcommand.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command prints its result to standard output, and its error to standard error"
)]

mod health;
mod migrate;
mod posts;
mod restore;
mod schema;
mod serve;
mod token;

use std::process::ExitCode;

use causerie::config::{StoreConfig, in_one_line};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// An error that is printed in one line.
type Error = Box<dyn std::error::Error>;

/// A comments server for websites, with realtime updates over GraphQL subscriptions.
#[derive(Parser)]
#[command(name = "causerie", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server; the default.
    Serve(Box<serve::Arguments>),
    /// Checks that the server at LISTEN on this machine is alive, and fails if it is not.
    Health(health::Arguments),
    /// Migrates the database to the latest version, and exits.
    Migrate(StoreConfig),
    /// Opens and updates posts.
    #[command(subcommand, arg_required_else_help = false)]
    Posts(posts::Command),
    /// Restores the database from a backup and expires the cursors of clients. Stop all servers first.
    Restore(Box<restore::Arguments>),
    /// Prints the GraphQL schema.
    Schema,
    /// Signs a token with JWT_SECRET and prints it.
    Token(Box<token::Arguments>),
}

/// Runs the command that the arguments name, and prints its error.
pub(crate) fn run() -> ExitCode {
    match try_run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run() -> Result<ExitCode, Error> {
    let matches = Cli::command().try_get_matches().map_err(in_one_line)?;
    let has_database_flag = serve::has_database_flag(&matches);
    let cli = Cli::from_arg_matches(&matches)?;
    match cli.command {
        None => serve::run(cli.serve, has_database_flag)?,
        Some(Command::Serve(arguments)) => serve::run(*arguments, has_database_flag)?,
        Some(Command::Health(arguments)) => health::run(&arguments)?,
        Some(Command::Migrate(config)) => migrate::run(&config)?,
        Some(Command::Posts(command)) => return posts::run(&command),
        Some(Command::Restore(arguments)) => restore::run(&arguments)?,
        Some(Command::Schema) => schema::run(),
        Some(Command::Token(arguments)) => token::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
