--
-- PostgreSQL database dump
--

\restrict lQx6HAcA36OSh18Q7IMqWgVFhBNQlQI4NkW34USyWB0UyVjTabpK4V3Ymwke6IC

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: vector; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;


--
-- Name: EXTENSION vector; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: note; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.note (
    id integer NOT NULL,
    body text,
    embedding public.vector(3)
);


ALTER TABLE public.note OWNER TO postgres;

--
-- Name: nothing; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.nothing (
    id integer
);


ALTER TABLE public.nothing OWNER TO postgres;

--
-- Name: tag; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.tag (
    id integer,
    name text
);


ALTER TABLE public.tag OWNER TO postgres;

--
-- Data for Name: note; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.note (id, body, embedding) FROM stdin;
1	note 1	[1,2,3]
2	note 2	[1,2,3]
3	note 3	[1,2,3]
4	note 4	[1,2,3]
5	note 5	[1,2,3]
6	note 6	[1,2,3]
7	note 7	[1,2,3]
8	note 8	[1,2,3]
9	note 9	[1,2,3]
10	note 10	[1,2,3]
11	note 11	[1,2,3]
12	note 12	[1,2,3]
13	note 13	[1,2,3]
14	note 14	[1,2,3]
15	note 15	[1,2,3]
16	note 16	[1,2,3]
17	note 17	[1,2,3]
18	note 18	[1,2,3]
19	note 19	[1,2,3]
20	note 20	[1,2,3]
\.


--
-- Data for Name: nothing; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.nothing (id) FROM stdin;
\.


--
-- Data for Name: tag; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.tag (id, name) FROM stdin;
1	c4ca4238a0b923820dcc509a6f75849b
2	c81e728d9d4c2f636f067f89cc14862c
3	eccbc87e4b5ce2fe28308fd9f2a7baf3
4	a87ff679a2f3e71d9181a67b7542122c
5	e4da3b7fbbce2345d7772b0674a318d5
6	1679091c5a880faf6fb5e6087eb1b2dc
7	8f14e45fceea167a5a36dedd4bea2543
8	c9f0f895fb98ab9159f51fd0297e236d
9	45c48cce2e2d7fbdea1afc51c7c6ad26
10	d3d9446802a44259755d38e6d163e820
11	6512bd43d9caa6e02c990b0a82652dca
12	c20ad4d76fe97759aa27a0c99bff6710
13	c51ce410c124a10e0db5e4b97fc2af39
14	aab3238922bcc25a6f606eb525ffdc56
15	9bf31c7ff062936a96d3c8bd1f8f2ff3
16	c74d97b01eae257e44aa9d5bade97baf
17	70efdf2ec9b086079795c442636b55fb
18	6f4922f45568161a8cdf4ad2299f6d23
19	1f0e3dad99908345f7439f8ffabdffc4
20	98f13708210194c475687be6106a3b84
21	3c59dc048e8850243be8079a5c74d079
22	b6d767d2f8ed5d21a44b0e5886680cb9
23	37693cfc748049e45d87b8c7d8b9aacd
24	1ff1de774005f8da13f42943881c655f
25	8e296a067a37563370ded05f5a3bf3ec
26	4e732ced3463d06de0ca9a15b6153677
27	02e74f10e0327ad868d138f2b4fdd6f0
28	33e75ff09dd601bbe69f351039152189
29	6ea9ab1baa0efb9e19094440c317e21b
30	34173cb38f07f89ddbebc2ac9128303f
\.


--
-- Name: 16730..16731; Type: BLOB METADATA; Schema: -; Owner: postgres
--

SELECT pg_catalog.lo_create('16730');
SELECT pg_catalog.lo_create('16731');

ALTER LARGE OBJECT 16730 OWNER TO postgres;
ALTER LARGE OBJECT 16731 OWNER TO postgres;

--
-- Data for Name: 16730..16731; Type: BLOBS; Schema: -; Owner: postgres
--

BEGIN;

SELECT pg_catalog.lo_open('16730', 131072);
SELECT pg_catalog.lowrite(0, '\xabcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01abcdef01');
SELECT pg_catalog.lo_close(0);

SELECT pg_catalog.lo_open('16731', 131072);
SELECT pg_catalog.lowrite(0, '\x7365636f6e64');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: note note_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.note
    ADD CONSTRAINT note_pkey PRIMARY KEY (id);


--
-- PostgreSQL database dump complete
--

\unrestrict lQx6HAcA36OSh18Q7IMqWgVFhBNQlQI4NkW34USyWB0UyVjTabpK4V3Ymwke6IC

