"""The API's description, made of the routes themselves."""
