"""The service's own database: SQLAlchemy engine, our tables, and the unit of work."""
