//! Errors of the command line, each in one line that names the setting.

use clap::{
    Arg, Args,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Config;

/// Turns an error of clap's into one line that names the setting by its variable and its flag.
///
/// Hides values that may hold a secret. Prints what `--help` and `--version` ask for, and exits.
pub fn in_one_line(error: clap::Error) -> Box<dyn std::error::Error> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        error.exit();
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let arguments = context(ContextKind::InvalidArg).unwrap_or_default();
    let setting = setting_name(&arguments);
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    match (error.kind(), cause) {
        (ErrorKind::ValueValidation, Some(cause)) if is_hidden(&arguments) => {
            format!("{setting}: {cause}").into()
        }
        (ErrorKind::ValueValidation, Some(cause)) => {
            format!("{setting}: {value:?}: {cause}").into()
        }
        (ErrorKind::InvalidValue, _) => match context(ContextKind::ValidValue).as_deref() {
            None | Some("") => format!("{setting}: the value is missing").into(),
            Some(known) => format!("{setting}: {value:?}: must be one of {known}").into(),
        },
        (ErrorKind::MissingRequiredArgument, _) => format!("missing: {arguments}").into(),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned().into()
        }
    }
}

/// Returns `LISTEN (--listen)` for clap's `--listen <LISTEN>`.
fn setting_name(argument: &str) -> String {
    let flag = argument.split_whitespace().next().unwrap_or_default();
    match find(argument).as_ref().and_then(Arg::get_env) {
        Some(variable) => format!("{} ({flag})", variable.display()),
        None => flag.to_owned(),
    }
}

/// Returns true if the setting's value may hold a secret.
fn is_hidden(argument: &str) -> bool {
    find(argument).is_some_and(|found| found.is_hide_env_values_set())
}

fn find(argument: &str) -> Option<Arg> {
    let flag = argument.split_whitespace().next()?.strip_prefix("--")?;
    let command = Config::augment_args(clap::Command::new("causerie"));
    let mut known = command.get_arguments();
    known.find(|known| known.get_long() == Some(flag)).cloned()
}
