-- Makes, in an empty schema `cdm`, the tables of OMOP CDM 5.4 that a job's statements read, for trying a job: psql -f cdm.sql. Names, types
-- and keys are the CDM's own, of its PostgreSQL scripts; columns that no statement reads are here only where the CDM requires them.
CREATE SCHEMA cdm;
CREATE TABLE cdm.person (
    person_id integer PRIMARY KEY,
    gender_concept_id integer NOT NULL,
    year_of_birth integer NOT NULL,
    month_of_birth integer,
    day_of_birth integer,
    birth_datetime timestamp,
    race_concept_id integer NOT NULL,
    ethnicity_concept_id integer NOT NULL,
    person_source_value varchar(50)
);
CREATE TABLE cdm.care_site (
    care_site_id integer PRIMARY KEY,
    care_site_name varchar(255)
);
CREATE TABLE cdm.visit_occurrence (
    visit_occurrence_id integer PRIMARY KEY,
    person_id integer NOT NULL REFERENCES cdm.person,
    visit_concept_id integer NOT NULL,
    visit_start_date date NOT NULL,
    visit_start_datetime timestamp,
    visit_end_date date NOT NULL,
    visit_end_datetime timestamp,
    visit_type_concept_id integer NOT NULL,
    care_site_id integer REFERENCES cdm.care_site
);
CREATE TABLE cdm.visit_detail (
    visit_detail_id integer PRIMARY KEY,
    person_id integer NOT NULL REFERENCES cdm.person,
    visit_detail_concept_id integer NOT NULL,
    visit_detail_start_date date NOT NULL,
    visit_detail_start_datetime timestamp,
    visit_detail_end_date date NOT NULL,
    visit_detail_end_datetime timestamp,
    visit_detail_type_concept_id integer NOT NULL,
    care_site_id integer REFERENCES cdm.care_site,
    visit_occurrence_id integer NOT NULL REFERENCES cdm.visit_occurrence
);
CREATE TABLE cdm.measurement (
    measurement_id integer PRIMARY KEY,
    person_id integer NOT NULL REFERENCES cdm.person,
    measurement_concept_id integer NOT NULL,
    measurement_date date NOT NULL,
    measurement_datetime timestamp,
    measurement_type_concept_id integer NOT NULL,
    operator_concept_id integer,
    value_as_number numeric,
    unit_concept_id integer,
    range_low numeric,
    range_high numeric,
    visit_occurrence_id integer REFERENCES cdm.visit_occurrence,
    measurement_source_value varchar(50),
    unit_source_value varchar(50)
);
