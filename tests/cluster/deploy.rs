//! The files that start a cluster in containers, checked outside of containers: their settings, their
//! commands and the balancer's own file are used as they are.

use std::{collections::BTreeSet, net::SocketAddr};

use causerie::config::Config;
use clap::Args;
use serde_json::Value;
use tempfile::TempDir;
use testkit::{
    Signal,
    nats::Nats,
    node::causerie,
    port::free_port,
    postgres::Stop,
    process::{Program, command, installed},
    wait::wait_until,
};

use crate::support::{Cluster, Crowd, Party, SECRET};

const DOCKERFILE: &str = include_str!("../../Dockerfile");

/// The value of each password and secret.
const PASSWORD: &str = "a-password";

/// Parses compose.yaml.
fn compose() -> Value {
    let text = include_str!("../../compose.yaml");
    serde_saphyr::from_str(text).expect("YAML")
}

/// Returns the services that run this image, each with its name.
fn nodes(compose: &Value) -> Vec<(&String, &Value)> {
    let services = compose["services"].as_object().expect("services");
    let nodes = services
        .iter()
        .filter(|(_, service)| service["image"] == "causerie");
    nodes.collect()
}

/// Returns a service's environment with its variables interpolated.
fn environment(service: &Value) -> Vec<(String, String)> {
    let variables = service["environment"].as_object().expect("an environment");
    let set = variables.iter().map(|(name, value)| {
        let value = value.as_str().expect("a text");
        (name.clone(), interpolated(value))
    });
    set.collect()
}

/// Replaces each `${NAME}`, `${NAME:?sentence}` and `${NAME:-default}` by a value.
fn interpolated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (variable, after) = rest.split_once('}').expect("its end");
    let value = match variable.split_once(":-") {
        Some((_, default)) => default,
        None => match variable.split(":?").next() {
            Some("POSTGRES_PASSWORD") => PASSWORD,
            Some("JWT_SECRET") => SECRET,
            other => panic!("what is {other:?}?"),
        },
    };
    format!("{before}{value}{}", interpolated(after))
}

/// Returns the words of the Dockerfile's instruction that begins with `instruction`.
fn words(instruction: &str) -> Vec<String> {
    let (_, rest) = DOCKERFILE.split_once(instruction).expect(instruction);
    let line = rest.lines().next().expect("a line");
    serde_json::from_str(line).expect("a list of words")
}

#[test]
fn compose_nodes_are_alike_and_set_only_known_settings() {
    let compose = compose();
    let nodes = nodes(&compose);
    assert_eq!(nodes.len(), 3);
    let command = Config::augment_args(clap::Command::new("causerie"));
    let settings: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
        .collect();
    for (name, node) in &nodes {
        assert_eq!(*node, nodes[0].1, "{name}");
        for (variable, value) in environment(node) {
            assert!(settings.contains(&variable), "{variable} is no setting");
            let flag = format!("--{}={value}", variable.to_lowercase().replace('_', "-"));
            let parsed = command.clone().try_get_matches_from(["causerie", &flag]);
            parsed.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn every_host_in_compose_is_a_service() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    let node = environment(nodes(&compose)[0].1);
    let balancer = environment(&services["balancer"]);
    let value = |set: &[(String, String)], name: &str| {
        let found = set.iter().find(|(variable, _)| variable == name);
        found.expect(name).1.clone()
    };
    let database = value(&node, "DATABASE_URL");
    let mut hosts: Vec<String> = value(&node, "BACKPLANE_URL")
        .split(',')
        .chain([database.as_str()])
        .map(|url| url::Url::parse(url).expect("a URL"))
        .map(|url| url.host_str().expect("a host").to_owned())
        .collect();
    for upstream in value(&balancer, "NODES").split(' ') {
        let (host, port) = upstream.split_once(':').expect("a port");
        assert!(value(&node, "LISTEN").ends_with(&format!(":{port}")));
        hosts.push(host.to_owned());
    }
    assert_eq!(hosts.len(), 7, "{hosts:?}");
    for host in hosts {
        assert!(services.contains_key(&host), "{host}");
    }
    let network = &compose["networks"]["default"]["ipam"]["config"][0]["subnet"];
    assert_eq!(*network, value(&node, "TRUSTED_PROXIES"));
    let postgres = environment(&services["postgres"]);
    for part in ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"] {
        assert!(database.contains(&value(&postgres, part)), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balancer_routes_to_ready_nodes_and_loses_nothing() {
    let compose = compose();
    // All settings of the file, except for addresses.
    let settings = environment(nodes(&compose)[0].1).into_iter();
    let places = ["LISTEN", "DATABASE_URL", "BACKPLANE_URL", "TRUSTED_PROXIES"];
    let settings = settings.filter(|(name, _)| !places.contains(&name.as_str()));
    let here = ("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
    let mut cluster = Cluster::start_with(settings.chain([here]).collect()).await;
    let (address, _caddy) = balancer(&cluster);
    wait_until("the balancer takes requests", async || {
        let answer = reqwest::get(format!("http://{address}/")).await;
        let status = answer.map_err(|error| error.to_string())?.status();
        status.is_success().then_some(()).ok_or(status.to_string())
    })
    .await;
    for path in ["metrics", "healthz", "readyz"] {
        let answer = reqwest::get(format!("http://{address}/{path}")).await;
        assert_eq!(answer.expect("an answer").status(), 404, "{path}");
    }

    let party = Party {
        readers: 30,
        ..Party::BUSY
    };
    let crowd = Crowd::gather_at(&cluster, "balanced", party, vec![address]).await;
    // Graceful, as `docker stop` does it.
    cluster.nodes[0].signal(Signal::SIGTERM);
    assert!(cluster.nodes[0].ended().await.status.success());
    crowd.wait_until_written(5).await;
    cluster.restart(0).await;
    // Killed, without notice.
    cluster.nodes[1].kill();
    crowd.wait_until_written(5).await;
    crowd.wait_until_delivered().await;
    cluster.restart(1).await;
    crowd.wait_until_counted(&cluster).await;
    crowd.finish(&cluster).await;
}

/// Starts the balancer with its file in front of the cluster.
fn balancer(cluster: &Cluster) -> (SocketAddr, (Program, TempDir)) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let folder = tempfile::tempdir().expect("a folder");
    let nodes: Vec<String> = cluster
        .nodes
        .iter()
        .map(|node| node.address().to_string())
        .collect();
    let mut caddy = command(installed("caddy"));
    caddy
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Caddyfile"))
        .env("SITE", format!(":{}", address.port()))
        .env("NODES", nodes.join(" "))
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path());
    (address, (Program::start("caddy", &mut caddy), folder))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn container_commands_run_and_health_checks_detect_the_dead() {
    let serve = [words("ENTRYPOINT "), words("\nCMD ")].concat();
    assert_eq!(
        serve,
        ["causerie", "serve"],
        "as the nodes of the tests are started"
    );
    let mut cluster = Cluster::start().await;
    let check = words(" CMD ");
    assert_eq!(check[0], "causerie");
    let address = cluster.nodes[0].address().to_string();
    let is_healthy = async || {
        let mut health = causerie(env!("CARGO_BIN_EXE_causerie"), &[]);
        health.args(&check[1..]).env("LISTEN", &address);
        Program::run(&mut health).await.status.success()
    };
    assert!(is_healthy().await);
    cluster.nodes[0].kill();
    assert!(!is_healthy().await);

    let services = &compose()["services"];
    let list = |value: &Value| -> Vec<String> {
        let words = value.as_array().expect("a list").iter();
        words
            .map(|word| word.as_str().expect("a word").to_owned())
            .collect()
    };
    let check = list(&services["postgres"]["healthcheck"]["test"]);
    assert_eq!(check[..2], ["CMD", "pg_isready"]);
    assert!(cluster.postgres.is_ready(&check[1..]));
    cluster.postgres.stop(Stop::Immediate);
    assert!(!cluster.postgres.is_ready(&check[1..]));

    // Addresses to listen on and routes differ outside of containers.
    let arguments = list(&services["nats-1"]["command"]).into_iter();
    let arguments: Vec<String> = arguments
        .map(|argument| argument.replace("0.0.0.0:6222", "127.0.0.1:-1"))
        .collect();
    Nats::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
}
