//! The command line: its output, the files it leaves, and how it reports an invalid setting.

use std::{path::Path, process::Command};

use causerie::{config::Config, model::Role};
use clap::Args;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::support::{Node, Program, SECRET, Signal, causerie, start_node, token, user};

/// Runs a command that must end by itself. Returns its success, standard output and standard error.
async fn outcome(command: &mut Command) -> (bool, String, String) {
    let ended = Program::run(command).await;
    (ended.status.success(), ended.stdout, ended.stderr)
}

/// Runs a command that must refuse to start, and returns its one line on standard error.
async fn refusal(command: &mut Command) -> String {
    let (success, stdout, stderr) = outcome(command).await;
    assert!(!success, "{command:?} did not fail");
    assert_eq!(stdout, "", "{command:?}");
    let lines: Vec<&str> = stderr.lines().collect();
    let [line] = lines[..] else {
        panic!("not one line: {command:?} {stderr:?}");
    };
    assert!(line.starts_with("causerie: "), "{line}");
    line.to_owned()
}

fn files(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = files
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    names
}

/// Stops a server and asserts that it exits well after printing one line.
async fn end(mut server: Node) {
    server.signal(Signal::SIGTERM);
    let ended = server.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let lines = ended.stdout.lines().count();
    assert_eq!(lines, 1, "one line says where it listens");
}

#[tokio::test]
async fn migrate_creates_the_database_and_is_idempotent() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let mut migrate = causerie(&["migrate"]);
        migrate.current_dir(folder.path());
        assert_eq!(
            outcome(&mut migrate).await,
            (true, String::new(), String::new())
        );
        assert_eq!(
            files(folder.path()),
            ["causerie.db"],
            "it is where the default says"
        );
    }
    let mut serve = causerie(&["serve", "--listen=127.0.0.1:0"]);
    serve.current_dir(folder.path());
    let server = Node::start(serve).await;
    assert_eq!(
        server
            .client()
            .send("{ posts { nodes { id } } }", json!({}))
            .await,
        json!({"posts": {"nodes": []}})
    );
    end(server).await;
}

#[tokio::test]
async fn health_command_tells_a_live_server_from_a_dead_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_node(folder.path(), &[]).await;
    let address = server.address();
    let mut check = causerie(&["health"]);
    check.env("LISTEN", address.to_string());
    let nothing = (true, String::new(), String::new());
    assert_eq!(outcome(&mut check).await, nothing);
    // A server on all addresses listens on this one too.
    let mut check_all = causerie(&["health"]);
    check_all.env("LISTEN", format!("0.0.0.0:{}", address.port()));
    assert_eq!(outcome(&mut check_all).await, nothing);
    end(server).await;
    let line = refusal(&mut check).await;
    assert!(line.contains(&address.to_string()), "{line}");
    // A listener that does not speak HTTP.
    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (mut connection, _) = other.accept().await.expect("a connection");
        let _ = connection.write_all(b"SSH-2.0-x\r\n").await;
    });
    let line = refusal(causerie(&["health"]).env("LISTEN", &address)).await;
    assert!(line.contains("SSH"), "{line}");
}

#[tokio::test]
async fn token_command_signs_tokens_that_the_server_accepts() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_node(folder.path(), &[]).await;
    let arguments = [
        "token",
        "--sub=u1",
        "--name=Ada L.",
        "--role=author",
        "--picture=https://example.org/a.png",
    ];
    let mut sign = causerie(&arguments);
    let (success, printed, stderr) = outcome(sign.env("JWT_SECRET", SECRET)).await;
    assert!(success && stderr.is_empty(), "{stderr}");
    let client = server.client().with_token(printed.trim_end());
    assert_eq!(
        client.send("{ me { id name avatar } }", json!({})).await,
        json!({"me": {"id": "u1", "name": "Ada L.", "avatar": "https://example.org/a.png"}})
    );
    client
        .send(
            "mutation { createPost(input: { id: \"p\", title: \"T\" }) { post { id } } }",
            json!({}),
        )
        .await;

    let line = refusal(&mut causerie(&arguments)).await;
    assert!(
        line.contains("JWT_SECRET") && line.contains("--jwt-secret"),
        "{line}"
    );
    for (flag, value) in [
        ("--sub", ""),
        ("--sub", "deleted"),
        ("--sub", "guest:1"),
        ("--sub", "import:1"),
        ("--role", "king"),
        ("--picture", "ftp://example.org/a.png"),
        ("--expires-in", "soon"),
        ("--expires-in", ""),
    ] {
        let usual = [
            ("--sub", "u1"),
            ("--role", "reader"),
            ("--expires-in", "1h"),
            ("--picture", "http://example.org/a.png"),
        ];
        let mut sign = causerie(&["token", "--name=Ada"]);
        for (known, good) in usual {
            let value = if known == flag { value } else { good };
            sign.arg(format!("{known}={value}"));
        }
        let line = refusal(sign.env("JWT_SECRET", SECRET)).await;
        assert!(line.contains(flag), "{line}");
    }
    for (arguments, reason) in [
        (["--name=", "--expires-in=1h"], "`name`"),
        (["--name=\u{3164}", "--expires-in=1h"], "`name`"),
        (["--name=Ada", "--expires-in=0s"], "expired"),
    ] {
        let mut sign = causerie(&["token", "--sub=u1", "--role=reader", "--jwt-leeway=0s"]);
        let sign = sign.args(arguments).env("JWT_SECRET", SECRET);
        let line = refusal(sign).await;
        assert!(line.contains(reason), "{line}");
    }
    end(server).await;
}

#[tokio::test]
async fn demo_has_three_posts_in_a_database_removed_at_exit() {
    for (arguments, url) in [
        (&["--demo"][..], None),
        (&["serve", "--demo"], None),
        // The demo works although the variable is set for another server.
        (&["serve", "--demo"], Some("sqlite://mine.db?mode=rwc")),
    ] {
        let (folder, temporary) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let mut command = causerie(arguments);
        command
            .arg("--listen=127.0.0.1:0")
            .current_dir(folder.path())
            .env("TMPDIR", temporary.path());
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        let server = Node::start(command).await;
        assert_eq!(files(temporary.path()).len(), 1);
        let data = server
            .client()
            .send("{ posts { nodes { title commentCount } } }", json!({}))
            .await;
        assert_eq!(
            data["posts"]["nodes"].as_array().expect("a list").len(),
            3,
            "{data}"
        );
        end(server).await;
        assert_eq!(files(temporary.path()), Vec::<String>::new());
        assert_eq!(
            files(folder.path()),
            Vec::<String>::new(),
            "nothing else was made"
        );
    }
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = causerie(&[
        "serve",
        "--demo",
        "--listen=127.0.0.1:0",
        "--database-url=sqlite://mine.db",
    ]);
    let line = refusal(command.env("TMPDIR", temporary.path())).await;
    assert!(
        line.contains("--database-url") && line.contains("--demo"),
        "{line}"
    );
    assert_eq!(files(temporary.path()), Vec::<String>::new());
}

#[tokio::test]
async fn bare_command_serves_as_its_environment_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = causerie(&[]);
    command
        .current_dir(folder.path())
        .env("LISTEN", "127.0.0.1:0")
        .env("DATABASE_URL", "sqlite://mine.db?mode=rwc")
        .env("JWT_SECRET", SECRET)
        .env("ALLOW_GUESTS", "false");
    let server = Node::start(command).await;
    let client = server
        .client()
        .with_token(&token("ada", "Ada", Role::Reader));
    assert_eq!(
        client.send("{ me { name } }", json!({})).await,
        json!({"me": {"name": "Ada"}})
    );
    let sign_in = "mutation { signInAsGuest(input: { name: \"G\" }) { token } }";
    let error = client.refused(sign_in, json!({})).await;
    assert_eq!(error["extensions"]["code"], json!("FORBIDDEN"));
    end(server).await;
    assert_eq!(files(folder.path()), ["mine.db"]);
}

#[tokio::test]
async fn missing_secret_warns_at_start_and_a_secret_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!(
        "--database-url=sqlite://{}?mode=rwc",
        folder.path().join("test.db").display()
    );
    let mut server = Node::start(causerie(&["--listen=127.0.0.1:0", &database])).await;
    server.signal(Signal::SIGTERM);
    let said = server.ended().await.stderr;
    assert!(
        said.contains("WARN") && said.contains("JWT_SECRET"),
        "{said}"
    );
    let mut server = start_node(folder.path(), &["--log=trace"]).await;
    user(&server, Role::Author)
        .send("{ me { id } }", json!({}))
        .await;
    server.signal(Signal::SIGTERM);
    let said = server.ended().await.stderr;
    assert!(!said.contains(SECRET));
    let mut help = causerie(&["--help"]);
    let (_, said, _) = outcome(help.env("JWT_SECRET", SECRET)).await;
    assert!(
        said.contains("JWT_SECRET") && !said.contains(SECRET),
        "{said}"
    );
}

#[tokio::test]
async fn invalid_setting_stops_the_start_with_one_line_naming_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let time = ["", "0s", "soon", "-1s", "10"];
    let any_time = ["", "soon", "-1s", "10"];
    let number = ["", "0", "-1", "many", "1.5", "4294967296"];
    let up_to_a_thousand = ["", "-1", "many", "1.5", "1001"];
    let bytes = ["", "0", "1023", "67108865", "-1", "1k"];
    let wrong: &[(&str, &[&str])] = &[
        (
            "LISTEN",
            &["", "8000", "localhost", "127.0.0.1:65536", "nowhere:80"],
        ),
        (
            "METRICS_LISTEN",
            &["", "8000", "localhost", "127.0.0.1:65536", "nowhere:80"],
        ),
        ("DRAIN_DELAY", &any_time),
        ("DRAIN_WINDOW", &any_time),
        ("GRACE_PERIOD", &time),
        ("LOG", &["", "=", "a=b=c", "info,causerie=loud", "verbose"]),
        ("LOG_FORMAT", &["", "text", "JSON"]),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &[
                "",
                "127.0.0.1:4318",
                "https://collector.example",
                "grpc://x",
            ],
        ),
        (
            "DATABASE_URL",
            &[
                "",
                "causerie.db",
                "mysql://localhost/causerie",
                "postgres://localhost:port/causerie",
                "postgres://localhost/causerie?sslmode=perhaps",
                "sqlite::memory:",
                "sqlite:",
                "sqlite://",
                "sqlite://?mode=rwc",
                "sqlite://:memory:",
                "sqlite://a.db?mode=memory",
                "sqlite://no/such/folder/a.db?mode=rwc",
                "sqlite://missing.db",
                "sqlite://a.db?mode=maybe",
            ],
        ),
        ("DATABASE_READERS", &number),
        ("DATABASE_WRITERS", &number),
        ("DATABASE_TIMEOUT", &time),
        ("DATABASE_WAIT", &time),
        ("DATABASE_IDLE_TIMEOUT", &time),
        ("DATABASE_MAX_LIFETIME", &time),
        ("JWT_SECRET", &[""]),
        (
            "JWKS",
            &[
                "",
                "no/such/file.json",
                "http://example.org/keys",
                "https://user:password@example.org/keys",
                "ftp://example.org/keys",
                "https://",
            ],
        ),
        ("JWKS_REFRESH", &time),
        ("JWKS_COOLDOWN", &time),
        ("JWKS_MAX_STALE", &time),
        (
            "JWT_ALGORITHMS",
            // The last one needs keys.
            &["", "none", "HS512", "hs256", "HS256,none", "HS256,RS256"],
        ),
        ("JWT_ISSUER", &["", " ", "a,,b", "urn:causerie:guests"]),
        ("JWT_AUDIENCE", &["", "a,"]),
        ("JWT_LEEWAY", &["", "soon", "-1s", "10", "301s"]),
        ("ALLOW_GUESTS", &["", "maybe", "1"]),
        ("GUEST_TOKEN_LIFETIME", &time),
        ("BAN_REFRESH", &time),
        ("EDIT_WINDOW", &time),
        ("RATE_LIMITS", &["", "maybe", "true"]),
        ("COMMENTS_PER_USER", &number),
        ("COMMENTS_PER_ADDRESS", &number),
        ("MUTATIONS_PER_USER", &number),
        ("MUTATIONS_PER_MODERATOR", &number),
        ("TYPING_PER_USER", &number),
        ("GUESTS_PER_ADDRESS", &number),
        ("REPLY_DEPTH", &number),
        ("REACTIONS", &["PIZZA", "heart", "HEART,", "HEART EYES"]),
        ("MODERATION", &["", "some", "new_authors", "ALL"]),
        ("HOLD_LINKS", &up_to_a_thousand),
        ("BLOCKED_WORDS", &["", "no/such/file.txt", "."]),
        ("REPORTS_TO_HOLD", &up_to_a_thousand),
        (
            "CHECK_URL",
            // The last one needs a secret.
            &[
                "",
                "check.example",
                "https://",
                "ftp://check.example",
                "https://user:password@check.example",
                "https://check.example/",
            ],
        ),
        (
            "CHECK_SECRET",
            // The last one needs a URL.
            &[
                "",
                "secret",
                "whsec_MfKQ9r8GKYqrTwjUPD8=",
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            ],
        ),
        ("WEBHOOK_ALLOW_PRIVATE", &["", "maybe", "true"]),
        ("CLOSE_AFTER", &["", "-1", "one", "3651"]),
        (
            "AUTO_OPEN_POSTS",
            &[
                "blog.example.org",
                "https://a.example/path",
                "https://*.example",
                "capacitor://localhost",
            ],
        ),
        ("ROOM_BUFFER", &number),
        ("CATCH_UP_PAGE", &number),
        ("RECONCILE_INTERVAL", &time),
        (
            "BACKPLANE_URL",
            &["", "nats://", "http://localhost", "nats://a:x"],
        ),
        ("BACKPLANE_PREFIX", &["", "a..b", "a b", ">", "a.*"]),
        ("BACKPLANE_CREDENTIALS", &["", "missing.creds"]),
        ("BACKPLANE_CA", &["", "missing.pem"]),
        ("HTTP_BODY_LIMIT", &bytes),
        (
            "ALLOWED_ORIGINS",
            &[
                "blog.example.org",
                "https://",
                "https://a.example/path",
                "https://*.example",
                "capacitor://",
                "capacitor://localhost/path",
            ],
        ),
        ("HTTP_IDLE_TIMEOUT", &time),
        ("HTTP_READ_TIMEOUT", &time),
        ("HTTP_WRITE_TIMEOUT", &time),
        ("STREAM_KEEP_ALIVE", &time),
        ("PERSISTED_QUERIES", &number),
        ("PERSISTED_QUERY_BYTES", &bytes),
        ("WS_MESSAGE_LIMIT", &bytes),
        ("WS_OPERATION_LIMIT", &number),
        ("WS_QUEUE", &number),
        ("WS_QUEUE_BYTES", &bytes),
        ("WS_INIT_TIMEOUT", &time),
        ("WS_PING_INTERVAL", &time),
        ("WS_WRITE_TIMEOUT", &time),
        ("CONNECTION_LIMIT", &number),
        ("CONNECTIONS_PER_ADDRESS", &number),
        ("OPERATIONS_PER_SOCKET", &number),
        ("OPERATIONS_PER_ADDRESS", &number),
        ("MEMORY_LIMIT", &["", "0", "67108863", "1G", "-1"]),
        (
            "TRUSTED_PROXIES",
            &["proxy", "10.0.0.0/33", "10.0.0.1/", "1.2.3", "::/0/0"],
        ),
        ("PROXY_HEADER", &["", "x-real-ip"]),
        ("OPERATION_TIMEOUT", &time),
    ];
    let known: Vec<&str> = wrong.iter().map(|(variable, _)| *variable).collect();
    let settings = settings();
    let all: Vec<&str> = settings
        .iter()
        .map(|setting| setting.variable.as_str())
        .collect();
    assert_eq!(known, all, "every setting is tried");
    for (variable, values) in wrong {
        let flag = format!("--{}", variable.to_lowercase().replace('_', "-"));
        for value in *values {
            for by_flag in [true, false] {
                let mut command = causerie(&["serve"]);
                command.current_dir(folder.path());
                if *variable != "LISTEN" {
                    command.arg("--listen=127.0.0.1:0");
                }
                if by_flag {
                    command.arg(format!("{flag}={value}"));
                } else {
                    command.env(variable, value);
                }
                let line = refusal(&mut command).await;
                assert!(
                    line.contains(variable) && line.contains(&flag),
                    "{value:?}: {line}"
                );
            }
        }
        // An unknown flag is named as it was given.
        let line = refusal(&mut causerie(&["serve", &format!("{flag}s=1")])).await;
        assert!(line.contains(&format!("{flag}s")), "{line}");
    }
}

#[tokio::test]
async fn invalid_command_line_is_reported_in_one_line() {
    for (arguments, words) in [
        (&["--listen"][..], &["LISTEN", "--listen", "value"][..]),
        (
            &["serve", "--rate-limits"],
            &["RATE_LIMITS", "--rate-limits", "on, off"],
        ),
        (&["token"], &["--sub", "--name", "--role"]),
        (&["token", "--sub=u1", "--role=reader"], &["--name"]),
        (&["serve", "more"], &["more"]),
        (&["sreve"], &["sreve"]),
        (&["schema", "--listen=127.0.0.1:0"], &["--listen"]),
        (&["--demo", "migrate"], &["--demo"]),
        (
            &["serve", "--edit-window=1m", "--edit-window=2m"],
            &["--edit-window"],
        ),
    ] {
        let line = refusal(&mut causerie(arguments)).await;
        for word in words {
            assert!(line.contains(word), "{arguments:?}: {line}");
        }
    }
}

#[tokio::test]
async fn taken_port_stops_the_start_before_the_database_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for by_flag in [true, false] {
        let mut command = causerie(&[]);
        command.current_dir(folder.path());
        if by_flag {
            command.args(["--listen", &address]);
        } else {
            command.env("LISTEN", &address);
        }
        let line = refusal(&mut command).await;
        for word in ["LISTEN", "--listen", &address] {
            assert!(line.contains(word), "{line}");
        }
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }
    let mut command = causerie(&["--listen=127.0.0.1:0", "--metrics-listen", &address]);
    let line = refusal(command.current_dir(folder.path())).await;
    for word in ["METRICS_LISTEN", "--metrics-listen", &address] {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

/// A setting, as the command knows it or as `.env.example` shows it.
#[derive(Debug, PartialEq)]
struct Setting {
    variable: String,
    sentence: String,
    default: String,
}

/// Returns the settings of the server, in the order of `--help`.
fn settings() -> Vec<Setting> {
    let command = Config::augment_args(clap::Command::new("causerie"));
    let settings = command.get_arguments().map(|argument| {
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let help = argument.get_help().expect("a sentence").to_string();
        Setting {
            variable: argument
                .get_env()
                .expect("a variable")
                .to_string_lossy()
                .into_owned(),
            sentence: help.trim_end_matches('.').to_owned(),
            default: defaults.concat(),
        }
    });
    settings.collect()
}

#[test]
fn flag_is_named_like_its_variable() {
    let command = Config::augment_args(clap::Command::new("causerie"));
    for argument in command.get_arguments() {
        let variable = argument
            .get_env()
            .expect("a variable")
            .to_string_lossy()
            .into_owned();
        let flag = argument.get_long().expect("a flag");
        assert_eq!(flag, variable.to_lowercase().replace('_', "-"));
    }
}

#[test]
fn env_example_has_each_setting_with_its_help_and_default() {
    let example = include_str!("../../.env.example");
    // Blocks of lines. A block that ends with a variable is a setting, any other is a heading.
    let shown: Vec<Setting> = example
        .split("\n\n")
        .filter_map(|block| {
            let (sentence, setting) = block.trim().rsplit_once('\n')?;
            let (variable, default) = setting.strip_prefix('#')?.split_once('=')?;
            variable
                .chars()
                .all(|c| c.is_ascii_uppercase() || c == '_')
                .then(|| Setting {
                    variable: variable.to_owned(),
                    sentence: sentence
                        .replace("\n# ", " ")
                        .trim_start_matches("# ")
                        .trim_end_matches('.')
                        .to_owned(),
                    default: default.to_owned(),
                })
        })
        .collect();
    assert_eq!(shown, settings());
    assert!(
        example
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "nothing is set"
    );
}
