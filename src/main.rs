//! The `causerie` command.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's answers go to standard output, and why it failed to standard error"
)]

use std::{net::SocketAddr, process::ExitCode};

use causerie::{
    auth::{Authenticator, Principal},
    config::{AuthConfig, Config, StoreConfig},
    demo, graphql,
    model::{Role, Timestamp, User, UserId},
    server::Server,
    store::Store,
    telemetry,
};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

/// A comments server for a blog, with GraphQL subscriptions for its realtime channel.
#[derive(Parser)]
#[command(name = "causerie", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server; what `causerie` alone does too.
    Serve(Box<Serve>),
    /// Asks the server on LISTEN of this machine whether it lives; it fails where it does not.
    Health {
        /// The address that the server was told to listen on.
        #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
        listen: SocketAddr,
    },
    /// Brings the database up to date, and exits.
    Migrate(StoreConfig),
    /// Prints the schema in GraphQL's schema definition language.
    Schema,
    /// Signs a token with JWT_SECRET and prints it.
    Token(Box<Token>),
}

#[derive(Args)]
struct Serve {
    /// Serves three sample posts out of a temporary database, which is gone when the server ends.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    config: Config,
}

#[derive(Args)]
struct Token {
    /// The user's id.
    #[arg(long)]
    sub: String,
    /// The user's name.
    #[arg(long)]
    name: String,
    /// The user's role: reader, author or moderator.
    #[arg(long, value_parser = role)]
    role: Role,
    /// An https URL of the user's picture.
    #[arg(long)]
    picture: Option<String>,
    /// How long the token is good for.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    expires_in: std::time::Duration,
    #[command(flatten)]
    auth: AuthConfig,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return Err(causerie::config::in_one_line(error)),
    };
    let names_database = matches.value_source("database_url") == Some(ValueSource::CommandLine)
        || matches.subcommand_matches("serve").is_some_and(|serve| {
            serve.value_source("database_url") == Some(ValueSource::CommandLine)
        });
    let cli = Cli::from_arg_matches(&matches)?;
    match cli.command {
        None => serve(cli.serve, names_database),
        Some(Command::Serve(arguments)) => serve(*arguments, names_database),
        Some(Command::Health { listen }) => {
            telemetry::healthcheck::check(listen).map_err(|error| format!("{listen}: {error}").into())
        }
        Some(Command::Migrate(config)) => migrate(&config),
        Some(Command::Schema) => {
            print!("{}", graphql::sdl());
            Ok(())
        }
        Some(Command::Token(arguments)) => token(&arguments),
    }
}

/// Serves until SIGTERM or Ctrl-C, and then goes down in good order; a second one ends it at once.
#[tokio::main]
async fn serve(Serve { demo, mut config }: Serve, names_database: bool) -> Result<(), Failure> {
    let collector = config.otel_exporter_otlp_endpoint.as_ref();
    let telemetry = telemetry::start(&config.log, config.log_format, collector)?;
    let folder = if demo {
        Some(tempfile::tempdir()?)
    } else {
        None
    };
    if let Some(folder) = &folder {
        if names_database {
            return Err("--database-url: --demo has a temporary database of its own".into());
        }
        config.store.database_url = demo::database_url(folder.path());
    }
    let server = Server::bind(config).await?;
    if demo {
        demo::fill(server.observer().store()).await?;
    }
    // For people and for programs that start the server: logs go to standard error.
    println!("listening on http://{}", server.address());
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut signalled = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let stop = CancellationToken::new();
    let twice = async {
        signalled().await;
        stop.cancel();
        signalled().await;
    };
    tokio::select! {
        ended = server.run(stop.clone().cancelled_owned()) => ended?,
        () = twice => return Err("a second signal ended it at once".into()),
    }
    telemetry.end();
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn migrate(config: &StoreConfig) -> Result<(), Failure> {
    Store::open(config).await?.close().await;
    Ok(())
}

fn token(arguments: &Token) -> Result<(), Failure> {
    if arguments.auth.jwt_secret.is_none() {
        return Err(
            "JWT_SECRET (--jwt-secret): a token must be signed with the server's secret".into(),
        );
    }
    let identity = Principal {
        user: User {
            id: UserId::parse(&arguments.sub).ok_or("--sub: 1 to 255 bytes")?,
            name: arguments.name.as_str().into(),
            avatar: arguments.picture.as_deref().map(Into::into),
        },
        role: arguments.role,
        expires_at: Timestamp::now().plus(arguments.expires_in),
    };
    println!("{}", Authenticator::new(&arguments.auth)?.sign(&identity)?);
    Ok(())
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "reader" => Ok(Role::Reader),
        "author" => Ok(Role::Author),
        "moderator" => Ok(Role::Moderator),
        _ => Err("it must be reader, author or moderator".into()),
    }
}
