//! `causerie schema`: the schema in GraphQL's schema definition language.

pub(super) fn run() {
    print!("{}", causerie::graphql::sdl());
}
