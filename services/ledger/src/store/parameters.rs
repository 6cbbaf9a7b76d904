//! The parameters of a round's statement: their places in its text, and their values in the same order.

use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::{Arguments as _, Encode, Postgres, Type};

use super::StoreError;

/// How rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// At most one of each table, each column a parameter. What most rounds write; for one row Postgres spends as much again on unpacking arrays.
    One,
    /// One array per column.
    Many,
}

/// The places of parameters, in the order they are named.
#[derive(Debug)]
pub(super) struct Places {
    form: Form,
    named: usize,
}

impl Places {
    /// None yet.
    pub(super) fn new(form: Form) -> Self {
        Self { form, named: 0 }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> String {
        self.named += 1;
        format!("${}", self.named)
    }

    /// The rows `n` of the next columns (name, type), to select from.
    pub(super) fn rows(&mut self, columns: &[(&str, &str)]) -> String {
        let places: Vec<String> = columns.iter().map(|_| self.next()).collect();
        self.rows_at(&places, columns)
    }

    /// The rows `n` of columns (name, type) that stand at these places.
    pub(super) fn rows_at(&self, places: &[String], columns: &[(&str, &str)]) -> String {
        let each = places.iter().zip(columns);
        match self.form {
            Form::One => {
                let values: Vec<String> =
                    each.map(|(place, (name, of))| format!("{place}::{of} as {name}")).collect();
                format!("(select {}) as n", values.join(", "))
            }
            Form::Many => {
                let arrays: Vec<String> = each.map(|(place, (_, of))| format!("{place}::{of}[]")).collect();
                format!("unnest({}) as n({})", arrays.join(", "), names(columns))
            }
        }
    }
}

/// The names of columns, for an `insert` and its `select`.
pub(super) fn names(columns: &[(&str, &str)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The values for the places, in the same order.
#[derive(Debug)]
pub(super) struct Values {
    form: Form,
    all: PgArguments,
}

impl Values {
    /// None yet.
    pub(super) fn new(form: Form) -> Self {
        Self { form, all: PgArguments::default() }
    }

    /// The next one.
    pub(super) fn add<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(
        &mut self,
        value: T,
    ) -> Result<(), StoreError> {
        self.all.add(value).map_err(|e| StoreError::Sql(sqlx::Error::Encode(e)))
    }

    /// The next column: of each row its value.
    pub(super) fn column<'q, T>(&mut self, rows: impl IntoIterator<Item = T>) -> Result<(), StoreError>
    where
        T: Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType + 'q,
    {
        let mut rows = rows.into_iter();
        match self.form {
            Form::One => match (rows.next(), rows.next()) {
                (Some(value), None) => self.add(value),
                _ => Err(StoreError::Damaged("a statement for one row was given others".to_owned())),
            },
            Form::Many => self.add(rows.collect::<Vec<T>>()),
        }
    }

    /// All of them.
    pub(super) fn done(self) -> PgArguments {
        self.all
    }
}
