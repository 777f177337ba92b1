//! `causerie serve`: the server, until a signal stops it.

use causerie::{config::Config, demo, server::Server, telemetry};
use clap::{ArgMatches, Args, parser::ValueSource};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Error;

/// Size of a thread's stack in bytes. An execution is polled recursively, one level of its document at a time.
const STACK_BYTES: usize = 8 * 1024 * 1024;

#[derive(Args)]
pub(super) struct Arguments {
    /// Serves three sample posts from a temporary database, which is deleted when the server stops.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    config: Config,
}

/// Returns true if the command line has `--database-url`. The variable alone does not count, because
/// it may be set for another server.
pub(super) fn has_database_flag(matches: &ArgMatches) -> bool {
    let has_flag = |matches: &ArgMatches| {
        matches.value_source("database_url") == Some(ValueSource::CommandLine)
    };
    has_flag(matches) || matches.subcommand_matches("serve").is_some_and(has_flag)
}

/// Serves until SIGTERM or Ctrl-C, then shuts down gracefully. A second signal stops it at once.
pub(super) fn run(arguments: Arguments, has_database_flag: bool) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments, has_database_flag))
}

async fn serve(
    Arguments { demo, mut config }: Arguments,
    has_database_flag: bool,
) -> Result<(), Error> {
    let collector = config.otel_exporter_otlp_endpoint.as_ref();
    let telemetry = telemetry::start(&config.log, config.log_format, collector)?;
    let folder = if demo {
        Some(tempfile::tempdir()?)
    } else {
        None
    };
    if let Some(folder) = &folder {
        if has_database_flag {
            return Err("--database-url: --demo uses a temporary database of its own".into());
        }
        config.store.database_url = demo::database_url(folder.path());
    }
    let server = Server::bind(config).await?;
    if demo {
        demo::fill(server.observer().store()).await?;
    }
    // The one line on standard output: programs that start the server wait for it.
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
    let signalled_twice = async {
        signalled().await;
        stop.cancel();
        signalled().await;
    };
    tokio::select! {
        stopped = server.run(stop.clone().cancelled_owned()) => stopped?,
        () = signalled_twice => return Err("stopped at once by a second signal".into()),
    }
    telemetry.end();
    Ok(())
}
