-- Run once, when the volume is empty: a database for each service.
CREATE DATABASE "pricing";
CREATE DATABASE "catalog";
CREATE DATABASE "warehouse";
