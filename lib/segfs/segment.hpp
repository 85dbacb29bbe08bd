/* SPDX-License-Identifier: MIT */
/* Segments, views and lists of libsegfs. Part of segfs.hpp. */
#ifndef SEGFS_SEGMENT_HPP
#define SEGFS_SEGMENT_HPP

#include <segfs/error.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

namespace segfs
{

#ifdef __cpp_lib_span
template <class T> using elements = std::span<T>;
#else
/* The elements of a view, as std::span of C++20. */
template <class T> class elements
{
      public:
	elements(T *data, std::size_t size) noexcept : data_(data), size_(size)
	{
	}
	T *data() const noexcept
	{
		return data_;
	}
	std::size_t size() const noexcept
	{
		return size_;
	}
	bool empty() const noexcept
	{
		return size_ == 0;
	}
	T *begin() const noexcept
	{
		return data_;
	}
	T *end() const noexcept
	{
		return data_ + size_;
	}
	T &operator[](std::size_t i) const noexcept
	{
		return data_[i];
	}

      private:
	T *data_;
	std::size_t size_;
};
#endif

/*
 * Which types may be in a view: those without constructors, destructors and virtual functions that matter. A
 * structure with atomic members is one if a program specializes this for it. Pointers mean nothing to others.
 */
template <class T> struct is_shareable : std::bool_constant<std::is_trivially_copyable_v<T>> {
};
template <class T>
struct is_shareable<std::atomic<T>> : std::bool_constant<std::atomic<T>::is_always_lock_free> {
};

class segment;

/* Bytes of a segment in the address space. They stay when the segment object, its name and segfs go. */
class view
{
      public:
	/* offset, length, flags, address: see segfs_map() */
	view(const segment &segment, std::uint64_t offset, std::size_t length, unsigned int flags,
	     void *address = nullptr);

	void *data() const noexcept
	{
		return segfs_view_data(view_.get());
	}
	/* bytes */
	std::size_t size() const noexcept
	{
		return segfs_view_length(view_.get());
	}
	bool is_writable() const noexcept
	{
		return flags_ & (SEGFS_MAP_WRITE | SEGFS_MAP_COPY);
	}

	/*
	 * The objects of type T from a byte on; count: how many, 0 = as many as there are. Errors:
	 *   EACCES  T is not const, and the view is for reading
	 *   EINVAL  the address is not aligned for T
	 *   ERANGE  the view has fewer bytes
	 */
	template <class T> segfs::elements<T> elements(std::size_t offset = 0, std::size_t count = 0) const
	{
		static_assert(is_shareable<std::remove_cv_t<T>>::value,
			      "T cannot be shared between processes");
		char *const first = static_cast<char *>(data()) + offset;

		if (!std::is_const_v<T> && !is_writable())
			throw error(name_, -EACCES);
		if (offset > size() || count > (size() - offset) / sizeof(T))
			throw error(name_, -ERANGE);
		if (reinterpret_cast<std::uintptr_t>(first) % alignof(T) != 0)
			throw error(name_, -EINVAL);
		return {static_cast<T *>(static_cast<void *>(first)),
			count ? count : (size() - offset) / sizeof(T)};
	}
	/* One object of type T. Errors: those of elements() */
	template <class T> T &at(std::size_t offset = 0) const
	{
		return *elements<T>(offset, 1).data();
	}

	/* See segfs_remap(): addresses that were taken are no longer valid. */
	void remap(const segment &segment, std::size_t length = 0);
	/* See segfs_flush(). */
	void flush(std::size_t offset = 0, std::size_t length = 0) const
	{
		detail::check(name_, segfs_flush(view_.get(), offset, length));
	}
	segfs_view *native_handle() const noexcept
	{
		return view_.get();
	}

      private:
	struct unmap {
		void operator()(segfs_view *view) const noexcept
		{
			segfs_unmap(view);
		}
	};
	std::unique_ptr<segfs_view, unmap> view_;
	std::string name_;
	unsigned int flags_;
};

class segment
{
      public:
	/* Opens one that exists. flags, size: see segfs_open() */
	explicit segment(std::string name, unsigned int flags = 0, std::uint64_t size = 0)
	    : name_(std::move(name)), writable_(flags & SEGFS_WRITE)
	{
		open(flags, size);
	}
	/*
	 * For reading and writing. size: in bytes, of a new segment, and with opening::open at least that,
	 * else ERANGE. With open_or_create, one that exists keeps its size. mode, attributes: see
	 * segfs_create()
	 */
	segment(std::string name, opening how, std::uint64_t size, std::uint32_t mode = 0600,
		const std::vector<segfs_attribute> &attributes = {})
	    : name_(std::move(name)), writable_(true)
	{
		segfs_creation creation = {};
		segfs_segment *made = nullptr;

		if (how == opening::open) {
			open(SEGFS_WRITE | SEGFS_SIZE_AT_LEAST, size);
			return;
		}
		creation.size = size;
		creation.mode = mode;
		creation.flags = how == opening::open_or_create ? SEGFS_OPEN_EXISTING : 0;
		creation.attributes = attributes.data();
		creation.n_attributes = static_cast<std::uint32_t>(attributes.size());
		created_ = detail::check(name_, segfs_create(name_.c_str(), &creation, &made)) == 0;
		segment_.reset(made);
	}

	const std::string &name() const noexcept
	{
		return name_;
	}
	/* Whether the constructor has created it. */
	bool created() const noexcept
	{
		return created_;
	}
	/* bytes */
	std::uint64_t size() const
	{
		std::uint64_t bytes = 0;

		detail::check(name_, segfs_size(segment_.get(), &bytes));
		return bytes;
	}
	void resize(std::uint64_t size)
	{
		detail::check(name_, segfs_resize(segment_.get(), size));
	}
	/* An attribute, without "user.segfs."; see segfs_get() */
	std::string get(const std::string &attribute) const
	{
		std::string value(256, '\0');
		ssize_t length;

		while ((length = segfs_get(segment_.get(), attribute.c_str(), value.data(), value.size())) ==
			       -ERANGE &&
		       value.size() < 65536)
			value.resize(2 * value.size());
		value.resize(static_cast<std::size_t>(detail::check(name_, static_cast<int>(length))));
		return value;
	}
	void set(const std::string &attribute, const std::string &value)
	{
		detail::check(name_, segfs_set(segment_.get(), attribute.c_str(), value.c_str()));
	}
	/* A view, writable if the segment is. length: 0 = up to the present end */
	view map(std::uint64_t offset = 0, std::size_t length = 0) const
	{
		return {*this, offset, length, writable_ ? SEGFS_MAP_WRITE : 0};
	}
	view map(std::uint64_t offset, std::size_t length, unsigned int flags, void *address = nullptr) const
	{
		return {*this, offset, length, flags, address};
	}
	segfs_segment *native_handle() const noexcept
	{
		return segment_.get();
	}

      private:
	struct close {
		void operator()(segfs_segment *segment) const noexcept
		{
			segfs_close(segment);
		}
	};
	void open(unsigned int flags, std::uint64_t size)
	{
		segfs_segment *made = nullptr;

		detail::check(name_, segfs_open(name_.c_str(), flags, size, &made));
		segment_.reset(made);
	}
	std::unique_ptr<segfs_segment, close> segment_;
	std::string name_;
	bool writable_;
	bool created_ = false;
};

inline view::view(const segment &segment, std::uint64_t offset, std::size_t length, unsigned int flags,
		  void *address)
    : name_(segment.name()), flags_(flags)
{
	segfs_view *made = nullptr;

	detail::check(name_, segfs_map(segment.native_handle(), offset, length, flags, address, &made));
	view_.reset(made);
}

inline void view::remap(const segment &segment, std::size_t length)
{
	detail::check(name_, segfs_remap(view_.get(), segment.native_handle(), length));
}

/* Removes the name of a segment or an object; see segfs_remove() */
inline void remove(const std::string &name)
{
	detail::check(name, segfs_remove(name.c_str()));
}

/* See struct segfs_entry. */
struct entry {
	std::string name;
	segfs_kind kind;
	std::uint32_t mode;
	uid_t uid;
	gid_t gid;
	std::uint64_t size;
	std::int64_t attached;
};

/* The segments and directories in a directory; see segfs_list() */
inline std::vector<entry> list(const std::string &directory = "")
{
	struct found {
		std::vector<entry> entries;
		std::exception_ptr failure; /* which must not pass through C */
	} all;
	const auto visit = [](const segfs_entry *one, void *context) noexcept {
		found *const into = static_cast<found *>(context);

		try {
			into->entries.push_back({one->name, one->kind, one->mode, one->uid, one->gid,
						 one->size, one->attached});
			return 0;
		} catch (...) {
			into->failure = std::current_exception();
			return 1;
		}
	};

	detail::check(directory, segfs_list(directory.c_str(), visit, &all));
	if (all.failure)
		std::rethrow_exception(all.failure);
	return std::move(all.entries);
}

} /* namespace segfs */

#endif
